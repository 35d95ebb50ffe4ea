import type { Ctx } from '../context.ts';
import { type EventPosition, eventPosition } from '../db/apply.ts';
import { reopenFailed } from '../db/reopen.ts';
import type { JobMeta, Outcome, Payload } from '../queues/catalog.ts';
import { applyScope } from './apply.ts';
import { onDatabase } from './on-database.ts';

type Own = Payload<'apply-event'>;

/** How a run ends whose event another run has dealt with: as that one's would have, for of the two only one is heard. */
const outcomeOf = (now: EventPosition | null, generation: number): Outcome => {
  if (now === null || now.generation !== generation || now.status === 'applied')
    return { kind: 'done', note: { skipped: true } };
  const error = now.last_error ?? 'failed';
  return now.status === 'failed' ? { kind: 'dead', error } : { kind: 'retry', error, tries: now.retry_count };
};

/** Tries one event by itself: after it failed in its group, or when it is replayed. The ledger, not the job, counts the tries. */
export const applyEvent = async (
  ctx: Ctx,
  { id, generation, tries, dead }: Own,
  { failedBefore }: JobMeta,
): Promise<Outcome> => {
  const now = await onDatabase(() => eventPosition(ctx.db, id));
  if (now === null || now.generation !== generation || now.status === 'applied') return outcomeOf(now, generation);
  // A run that died after its commit has recorded this try already.
  const recorded = now.retry_count > tries + failedBefore;
  if (now.status === 'failed') {
    if (recorded || (dead && failedBefore === 0)) return outcomeOf(now, generation);
    // Somebody retried the dead letter in the queue itself; the ledger follows.
    const retry = { id, generation, actor: 'queue', reason: 'retried in the queue', now: ctx.now() };
    await onDatabase(() => reopenFailed(ctx.db, retry));
    // failpoint: apply.reopened
  } else if (recorded) return outcomeOf(now, generation);
  const { applied, failed } = await applyScope(ctx, { kind: 'event', id, generation });
  if (applied.length > 0) return { kind: 'done', note: { applied: 1 } };
  const [failure] = failed;
  // Another run of this job, taken for dead, was quicker.
  if (failure === undefined) return outcomeOf(await onDatabase(() => eventPosition(ctx.db, id)), generation);
  return failure.nextRetryAt === null
    ? { kind: 'dead', error: failure.error }
    : { kind: 'retry', error: failure.error, tries: failure.tries };
};
