import type { Ctx } from '../context.ts';
import { reopenUnresolved } from '../db/reopen.ts';
import { retrying } from '../db/retry.ts';
import { messageOf } from '../errors.ts';
import { withinMs } from '../queues/bounded.ts';

const enqueueMs = 500;

/**
 * Lets the events that waited for these names go on. The names are registered and stay so whatever happens here: events
 * that could not be queued in time are left to the reconciler.
 *
 * @param enqueue false to leave them to it at once.
 * @returns false when the queue did not take them.
 */
export const resumeWaiting = async (ctx: Ctx, names: readonly string[], { enqueue = true } = {}): Promise<boolean> => {
  if (names.length === 0) return true;
  // failpoint: register.committed
  try {
    const reopened = await retrying(() => reopenUnresolved(ctx.db, names, ctx.now()));
    if (reopened.length === 0) return true;
    // failpoint: register.reopened
    const jobs = reopened.map(({ id, generation, retry_count }) => ({
      id,
      generation,
      tries: retry_count,
      delayMs: 0,
    }));
    const outcome = enqueue ? await withinMs(ctx.queues.enqueueEvents(jobs), enqueueMs) : 'late';
    if (outcome === 'done') return true;
    const why = outcome instanceof Error ? messageOf(outcome) : outcome;
    ctx.log.warn({ events: jobs.length, why }, 'events of new domains are left to the reconciler');
  } catch (error) {
    ctx.log.error({ err: error, domains: names.length }, 'events of new domains could not be made pending again');
  }
  return false;
};
