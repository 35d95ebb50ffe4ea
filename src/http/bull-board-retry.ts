import type { Context } from 'hono';
import { findEvent } from '../db/event-reads.ts';
import { openForReplay, type Reopened, reopenFailed } from '../db/reopen.ts';
import { messageOf } from '../errors.ts';
import type { BoardJob, CarriedEvent } from '../queues/board-job.ts';
import type { BoardQueue } from '../queues/board.ts';
import { withinMs } from '../queues/bounded.ts';
import type { EventJob } from '../queues/queues.ts';
import { audited } from './audited.ts';
import type { HttpEnv } from './env.ts';

const reason = 'retried in Bull Board';
const enqueueMs = 5000;
const page = 500;
/** More dead letters than these are a case for a bulk replay, which has a plan, a rate and a way to stop. */
const mostAtOnce = 10_000;

/** What the package's pages are answered: its own shape, with words for people. */
export interface BoardAnswer {
  readonly status: 200 | 204 | 400 | 403 | 404;
  readonly body: object;
}

/** A refusal in the package's shape. */
export const refusal = (status: BoardAnswer['status'], key: string, message: string): BoardAnswer => ({
  status,
  body: { error: { key }, message },
});

/** Hands events to their queue; the reconciler does so where this fails. */
const enqueue = async (c: Context<HttpEnv>, jobs: readonly EventJob[]): Promise<void> => {
  const { queues, log, metrics } = c.var.ctx;
  const outcome = await withinMs(queues.enqueueEvents(jobs), enqueueMs);
  if (outcome === 'done') return;
  metrics.enqueueFailures.inc();
  log.warn({ reason: outcome === 'late' ? outcome : messageOf(outcome) }, 'retried events not queued yet');
};

/** Opens the event of a dead letter in the ledger, in the caller's name; false when the ledger does not call it failed. */
const reopen = (c: Context<HttpEnv>, { id, generation }: CarriedEvent): Promise<boolean> =>
  audited(c, async (db) => {
    const event = await findEvent(db, id);
    const retry = { id, generation, actor: c.var.actor.name, reason, now: c.var.ctx.now() };
    if (event === null || !(await reopenFailed(db, retry))) return [false, null];
    const object = { type: 'event', id };
    return [true, { action: 'event.replay', object, orgId: event.org_id, after: { generation }, reason }];
  });

/** Retries a failed job; a dead letter first in the ledger, so that it ends as a replay of ours would. */
export const retryJob = async (c: Context<HttpEnv>, queue: BoardQueue, jobId: string): Promise<BoardAnswer> => {
  const job = await queue.getJob(jobId);
  if (job === undefined) return refusal(404, 'ERRORS.JOB_NOT_FOUND', 'There is no such job');
  if ((await job.getState()) !== 'failed')
    return refusal(400, 'ERRORS.JOB_NOT_RETRIABLE', 'Only a failed job can be retried');
  const { event } = job;
  if (event !== null && (await reopen(c, event))) await enqueue(c, [{ ...event, tries: 0, delayMs: 0, again: true }]);
  // What the ledger does not call failed is settled by a run, which finds out.
  else await job.retry();
  return { status: 204, body: {} };
};

const jobOf = ({ id, generation, retry_count: tries }: Reopened): EventJob => ({ id, generation, tries, delayMs: 0 });

const replayAll = (c: Context<HttpEnv>, ids: readonly string[]): Promise<Reopened[]> =>
  audited(c, async (db) => {
    const opened = await openForReplay(
      db,
      ids.map((id) => ({ id })),
      {
        actor: c.var.actor.name,
        reason,
        now: c.var.ctx.now(),
        resetRetry: true,
        by: 'person',
        replayId: null,
        from: 'failed',
      },
    );
    const after = { events: opened.length };
    const change = { action: 'event.replay', object: { type: 'event', id: null }, orgId: null, after, reason } as const;
    return [opened, opened.length === 0 ? null : change];
  });

const retryPage = async (c: Context<HttpEnv>, jobs: readonly BoardJob[]): Promise<void> => {
  const ids = jobs.flatMap(({ event }) => event?.id ?? []);
  const opened = ids.length === 0 ? [] : await replayAll(c, ids);
  if (opened.length > 0) await enqueue(c, opened.map(jobOf));
  // Queueing the new generation takes away the job of the one before, and no other.
  const gone = new Set(opened.map(({ id, generation }) => `${id}-${generation - 1}`));
  await Promise.all(jobs.filter(({ id }) => !gone.has(id)).map((job) => job.retry()));
};

/** Retries what has failed, oldest first, as far as one request goes; says how many and how many are left. */
export const retryAll = async (c: Context<HttpEnv>, queue: BoardQueue): Promise<BoardAnswer> => {
  const total = (await queue.getJobCounts()).failed ?? 0;
  const most = Math.min(total, mostAtOnce);
  const seen = new Set<string>();
  while (seen.size < most) {
    const jobs = (await queue.oldestFailed(Math.min(page, most - seen.size))).filter(({ id }) => !seen.has(id));
    if (jobs.length === 0) break;
    await retryPage(c, jobs);
    for (const { id } of jobs) seen.add(id);
  }
  return { status: 200, body: { retried: seen.size, skipped: total - seen.size } };
};
