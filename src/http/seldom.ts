/**
 * For a log that a fault must not fill: lets one call through in `ms` milliseconds and gives the number of those held back
 * since the one before; null for one that is held back.
 */
export const seldom = (ms: number, now: () => number): (() => number | null) => {
  let heard: number | null = null;
  let held = 0;
  return () => {
    const at = now();
    if (heard !== null && at - heard < ms) {
      held += 1;
      return null;
    }
    const since = held;
    [heard, held] = [at, 0];
    return since;
  };
};
