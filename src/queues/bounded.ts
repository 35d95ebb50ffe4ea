/** How a bounded wait ended: with the work, before it, or with its error. */
export type Bounded = 'done' | 'late' | Error;

/**
 * Waits for work at most `ms` milliseconds and never rejects. Work that is late goes on by itself; its outcome is not
 * looked at any more.
 */
export const withinMs = (work: Promise<unknown>, ms: number): Promise<Bounded> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve('late'), ms);
    const settle = (outcome: Bounded): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    work.then(
      () => settle('done'),
      (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
    );
  });
