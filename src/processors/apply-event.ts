import type { Ctx } from '../context.ts';
import { eventPosition } from '../db/apply.ts';
import { isInfrastructureFault } from '../db/client.ts';
import { reopenFailed } from '../db/reopen.ts';
import { AppError, messageOf } from '../errors.ts';
import type { JobMeta, Outcome, Payload } from '../queues/catalog.ts';
import { applyScope } from './apply.ts';

type Own = Payload<'apply-event'>;

const position = async (ctx: Ctx, id: string) => {
  try {
    return await eventPosition(ctx.db, id);
  } catch (fault) {
    if (isInfrastructureFault(fault)) throw new AppError('unavailable', messageOf(fault), { cause: fault });
    throw fault;
  }
};

/** Tries one event by itself: after it failed in its group, or when it is replayed. The ledger, not the job, counts the tries. */
export const applyEvent = async (
  ctx: Ctx,
  { id, generation, tries, dead }: Own,
  { failedBefore }: JobMeta,
): Promise<Outcome> => {
  const now = await position(ctx, id);
  if (now === null || now.generation !== generation || now.status === 'applied')
    return { kind: 'done', note: { skipped: true } };
  if (now.status === 'failed') {
    if (dead) return { kind: 'dead', error: now.last_error ?? 'given up' };
    // Somebody retried the dead letter in the queue itself; the ledger follows.
    await reopenFailed(ctx.db, id, generation, ctx.now());
  } else if (now.retry_count > tries + failedBefore) {
    // A run that died after its commit has recorded this try already.
    return { kind: 'retry', error: now.last_error ?? 'failed', tries: now.retry_count };
  }
  const { failed } = await applyScope(ctx, { kind: 'event', id, generation });
  const [failure] = failed;
  if (failure === undefined) return { kind: 'done', note: { applied: 1 } };
  return failure.nextRetryAt === null
    ? { kind: 'dead', error: failure.error }
    : { kind: 'retry', error: failure.error, tries: failure.tries };
};
