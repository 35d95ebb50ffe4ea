import type { Ctx } from '../context.ts';
import { withinMs } from '../queues/bounded.ts';
import type { Outcome, Payload } from '../queues/catalog.ts';
import { groupCommit } from '../queues/group-commit.ts';
import { type Applied, applyScope } from './apply.ts';

const enqueueMs = 2000;
// Longer than any statement is let run: a job waits for its transaction, however slow the database is.
const patienceMs = 60_000;
// What comes while a transaction takes longer than most do goes into one of its own: a sender with many events makes others wait less.
const slowMs = 15;

const handOver = async (ctx: Ctx, failed: Applied['failed']): Promise<void> => {
  const jobs = failed.map(({ event, tries, nextRetryAt }) => ({
    id: event.id,
    generation: event.generation,
    tries,
    delayMs: nextRetryAt === null ? 0 : Math.max(0, nextRetryAt - ctx.now()),
    dead: nextRetryAt === null,
  }));
  // failpoint: apply.before-hand-over
  const queued = await withinMs(ctx.queues.enqueueEvents(jobs), enqueueMs);
  if (queued !== 'done') ctx.log.warn({ events: jobs.length }, 'failed events are left to the reconciler');
};

/**
 * Applies committed groups. Groups whose jobs are in hand while a transaction runs share the next one: under a steady load
 * of small groups the transactions grow, and nobody waits on a timer. An event that fails leaves its group for a job of its
 * own; the group itself never fails.
 */
export const groupApplier = (ctx: Ctx): ((payload: Payload<'apply-group'>) => Promise<Outcome>) => {
  const apply = async (groups: readonly (readonly string[])[]): Promise<Applied[]> => {
    const whole = await applyScope(ctx, { kind: 'group', ids: groups.flat() });
    if (whole.failed.length > 0) await handOver(ctx, whole.failed);
    return groups.map((ids) => {
      const mine = new Set(ids);
      return {
        applied: whole.applied.filter((id) => mine.has(id)),
        failed: whole.failed.filter(({ event }) => mine.has(event.id)),
      };
    });
  };
  const shared = groupCommit<readonly string[], Applied>(
    {
      maxSize: ctx.config.CERT_EVENT_BATCH_SIZE,
      weigh: (ids) => ids.length,
      limit: Number.POSITIVE_INFINITY,
      lanes: 4,
      slowMs,
      patienceMs,
    },
    apply,
  );
  return async ({ ids }) => {
    const { applied, failed } = await shared.submit(ids);
    return { kind: 'done', note: { events: ids.length, applied: applied.length, failed: failed.length } };
  };
};

/** Applies events that a replay opened together; like those of a group, one that fails goes on by itself. */
export const applyOpened = async (ctx: Ctx, { ids, generation }: Payload<'apply-opened'>): Promise<Outcome> => {
  const { applied, failed } = await applyScope(ctx, { kind: 'opened', ids, generation });
  if (failed.length > 0) await handOver(ctx, failed);
  return { kind: 'done', note: { events: ids.length, applied: applied.length, failed: failed.length } };
};
