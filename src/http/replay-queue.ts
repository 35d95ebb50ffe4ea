import type { Ctx } from '../context.ts';
import type { Reopened } from '../db/reopen.ts';
import { messageOf } from '../errors.ts';
import { withinMs } from '../queues/bounded.ts';

const enqueueLimitMs = 500;

/** Hands reopened events to their queue; the reconciler does so where this fails, so the caller is never kept waiting. */
export const enqueueReplayed = async ({ queues, log, metrics }: Ctx, opened: readonly Reopened[]): Promise<void> => {
  if (opened.length === 0) return;
  const jobs = opened.map(({ id, generation, retry_count: tries }) => ({ id, generation, tries, delayMs: 0 }));
  // failpoint: replay.before-enqueue
  const outcome = await withinMs(queues.enqueueEvents(jobs), enqueueLimitMs);
  if (outcome === 'done') return;
  metrics.enqueueFailures.inc();
  const reason = outcome === 'late' ? outcome : messageOf(outcome);
  log.warn({ events: opened.length, reason }, 'replayed events not queued yet');
};
