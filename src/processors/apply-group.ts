import type { Ctx } from '../context.ts';
import { withinMs } from '../queues/bounded.ts';
import type { Outcome, Payload } from '../queues/catalog.ts';
import { applyScope } from './apply.ts';

/** Applies a committed group. An event that fails leaves it for a job of its own; the group itself never fails. */
export const applyGroup = async (ctx: Ctx, { ids }: Payload<'apply-group'>): Promise<Outcome> => {
  const { applied, failed } = await applyScope(ctx, { kind: 'group', ids });
  if (failed.length > 0) {
    const jobs = failed.map(({ event, tries, nextRetryAt }) => ({
      id: event.id,
      generation: event.generation,
      tries,
      delayMs: nextRetryAt === null ? 0 : Math.max(0, nextRetryAt - ctx.now()),
      dead: nextRetryAt === null,
    }));
    const queued = await withinMs(ctx.queues.enqueueEvents(jobs), 2000);
    if (queued !== 'done') ctx.log.warn({ events: jobs.length }, 'failed events are left to the reconciler');
  }
  return { kind: 'done', note: { events: ids.length, applied: applied.length, failed: failed.length } };
};
