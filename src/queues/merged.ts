import { withinMs } from './bounded.ts';

const answerMs = 2000;

/** Work that is asked for often and done once for all who asked. */
export interface Merged<T> {
  readonly ask: (items: Iterable<T>) => void;
  /** Forgets what was asked for and not begun. */
  readonly close: () => void;
}

/**
 * Does work soon after it is asked for, once for all that is asked within `ms`. What is asked while it runs is done after
 * it, so that nothing asked for is taken as done before. Its failure is nobody's: a clock asks for the same.
 */
export const merged = <T>(ms: number, work: (items: readonly T[]) => Promise<unknown>): Merged<T> => {
  const waiting = new Set<T>();
  let timer: NodeJS.Timeout | null = null;
  const run = async (): Promise<void> => {
    const items = [...waiting];
    waiting.clear();
    await withinMs(work(items), answerMs);
    timer = waiting.size > 0 ? setTimeout(() => void run(), ms) : null;
  };
  return {
    ask: (items) => {
      for (const item of items) waiting.add(item);
      timer ??= setTimeout(() => void run(), ms);
    },
    close: () => {
      waiting.clear();
      if (timer !== null) clearTimeout(timer);
    },
  };
};
