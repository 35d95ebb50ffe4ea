import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import { withinMs } from './queues/bounded.ts';

type Cleanup = () => Promise<unknown>;

export type Cleanups = ReturnType<typeof cleanups>;

/** Things started, to be stopped in reverse order, each within its own time. */
export const cleanups = (log: Logger) => {
  const stack: { what: string; ms: number; stop: Cleanup }[] = [];
  return {
    add: (what: string, ms: number, stop: Cleanup): void => {
      stack.push({ what, ms, stop });
    },
    run: async (): Promise<void> => {
      for (const { what, ms, stop } of stack.splice(0).toReversed()) {
        const outcome = await withinMs(stop(), ms);
        if (outcome !== 'done')
          log.warn({ what, why: outcome === 'late' ? 'took too long' : messageOf(outcome) }, 'did not stop cleanly');
      }
    },
  };
};
