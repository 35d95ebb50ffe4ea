import { v7 as uuidv7 } from 'uuid';
import type { Ctx } from '../context.ts';
import { reopenRegistered } from '../db/reopen.ts';
import {
  deadLetters,
  exclusively,
  type Grouped,
  groupedPending,
  regroup,
  type Single,
  singlePending,
} from '../db/unfinished.ts';
import { eventJobId } from '../queues/job-id.ts';
import type { EventJob } from '../queues/queues.ts';

// An event this young may still be on its way from the commit to the queue.
const graceMs = 10_000;
// A dead letter may have been given up by a process that died before it could show it, and no other was there.
const firstLookBackMs = 86_400_000;
const jobsAtOnce = 1000;

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

const requeueGroups = async (ctx: Ctx, page: readonly Grouped[]): Promise<number> => {
  const carried = await ctx.queues.carried([...new Set(page.map(({ group_id }) => group_id))]);
  const orphans = page.filter(({ group_id }) => !carried.has(group_id)).map(({ id }) => id);
  for (const ids of chunks(orphans, ctx.config.CERT_EVENT_BATCH_SIZE)) {
    const groupId = uuidv7();
    const moved = await regroup(ctx.db, ids, groupId);
    if (moved.length > 0) await ctx.queues.enqueueGroup(groupId, moved);
  }
  return orphans.length;
};

const jobOf = ({ id, generation, retry_count, due_at }: Single, now: number): EventJob => ({
  id,
  generation,
  tries: retry_count,
  delayMs: due_at === null ? 0 : Math.max(0, due_at - now),
  again: true,
});

const requeueSingles = async (ctx: Ctx, page: readonly Single[], dead: boolean): Promise<number> => {
  const carried = dead
    ? new Set<string>()
    : await ctx.queues.carried(page.map(({ id, generation }) => eventJobId(id, generation)));
  const orphans = page.filter(({ id, generation }) => !carried.has(eventJobId(id, generation)));
  for (const part of chunks(orphans, jobsAtOnce)) {
    await ctx.queues.enqueueEvents(
      part.map((one) => (dead ? { ...jobOf(one, ctx.now()), again: false, dead } : jobOf(one, ctx.now()))),
    );
  }
  return orphans.length;
};

/** Events that failed before their domain was registered, by a registration that did not live to reopen them. */
const reopenLeft = async (ctx: Ctx, before: number): Promise<number> => {
  let reopened = 0;
  for (;;) {
    const rows = await reopenRegistered(ctx.db, { before, limit: jobsAtOnce, now: ctx.now() });
    const jobs = rows.map((row) => jobOf({ ...row, due_at: null }, ctx.now()));
    if (jobs.length > 0) await ctx.queues.enqueueEvents(jobs);
    reopened += rows.length;
    if (rows.length < jobsAtOnce) return reopened;
  }
};

export interface Reconciled {
  readonly requeued: number;
  readonly ms: number;
}

/**
 * Makes what queues again whatever the ledger says is unfinished and no queue carries. Complete: it walks all pending
 * events. Dead letters, whose jobs only show them, are gone through from where this process was the last time.
 *
 * Its argument: the queue's store may have lost anything, so that events of any age count and all dead letters are shown
 * again. It resolves to null when another process is at it.
 */
export const reconciler = (ctx: Ctx): ((doubtful: boolean) => Promise<Reconciled | null>) => {
  let shownUntil = ctx.now() - firstLookBackMs;
  return (doubtful) =>
    exclusively(ctx.db, async () => {
      const started = ctx.now();
      const before = doubtful ? started + 60_000 : started - graceMs;
      let requeued = await reopenLeft(ctx, started - graceMs);
      for await (const page of groupedPending(ctx.db, before)) requeued += await requeueGroups(ctx, page);
      for await (const page of singlePending(ctx.db, before)) requeued += await requeueSingles(ctx, page, false);
      const given = { from: doubtful ? 0 : shownUntil, before };
      for await (const page of deadLetters(ctx.db, given)) await requeueSingles(ctx, page, true);
      shownUntil = started - graceMs;
      if (requeued > 0) ctx.metrics.reconciled.inc(requeued);
      return { requeued, ms: ctx.now() - started };
    });
};
