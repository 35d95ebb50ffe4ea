import { v7 as uuidv7 } from 'uuid';
import type { Ctx } from '../context.ts';
import { reopenRegistered } from '../db/reopen.ts';
import {
  deadBefore,
  exclusively,
  fromTheStart,
  regroup,
  type Touched,
  type Unfinished,
  unfinished,
} from '../db/unfinished.ts';
import { eventJobId } from '../queues/job-id.ts';
import type { EventJob } from '../queues/queues.ts';

// An event this young may still be on its way from the commit to the queue.
const graceMs = 10_000;
// A dead letter may have been given up by a process that died before it could show it, and no other was there.
const firstLookBackMs = 86_400_000;
const jobsAtOnce = 1000;
// From here on a job of its own costs less than moving a group's events to one that is shared.
const largeGroup = 50;
// A walk over a long backlog is made in parts, so that it takes no more than a share of the database and of the time in which
// a store that has lost everything waits for its turn.
const calmWalkMs = 2000;
// Where counts do not tell of it, a dead letter that somebody took out of the queue is shown again by a slow round of all.
const roundEveryMs = 60_000;

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

interface Walk {
  readonly doubtful: boolean;
  /** Groups that this walk has queued again under their own ids. */
  readonly whole: Set<string>;
  readonly before: number;
  /** Where it begins, and when it has to pause, by `elapsed`. */
  readonly after: string;
  readonly until: number;
}

const moveToNewGroups = async (ctx: Ctx, orphans: readonly string[]): Promise<void> => {
  for (const ids of chunks(orphans, ctx.config.CERT_EVENT_BATCH_SIZE)) {
    const groupId = uuidv7();
    const moved = await regroup(ctx.db, ids, groupId);
    // failpoint: reconcile.regrouped
    if (moved.length > 0) await ctx.queues.enqueueGroup(groupId, moved);
  }
};

/**
 * Queues events again whose group's job is gone. A store that keeps the job of a group as done takes none of that id, so they
 * move to new groups; but after the store has lost everything, which is when there are many, large groups go as they are.
 */
const requeueGroups = async (ctx: Ctx, page: readonly Unfinished[], { doubtful, whole }: Walk): Promise<number> => {
  const groups = Map.groupBy(page, ({ group_id }) => group_id);
  const carried = await ctx.queues.carried([...groups.keys()]);
  // failpoint: reconcile.groups-read
  const moving: string[] = [];
  let requeued = 0;
  for (const [groupId, events] of groups) {
    const ids = events.map(({ id }) => id);
    // The page before had the first of this group, and its job has only those.
    const isRest = whole.has(groupId);
    if (carried.has(groupId) && !isRest) continue;
    requeued += ids.length;
    if (doubtful && !isRest && ids.length >= largeGroup) {
      await ctx.queues.enqueueGroup(groupId, ids);
      whole.add(groupId);
    } else moving.push(...ids);
  }
  await moveToNewGroups(ctx, moving);
  return requeued;
};

/** An event leaves its group by a failed try or a replay. */
const isGrouped = ({ retry_count, generation }: Unfinished): boolean => retry_count === 0 && generation === 0;

const jobOf = ({ id, generation, retry_count, due_at }: Omit<Unfinished, 'group_id'>, now: number): EventJob => ({
  id,
  generation,
  tries: retry_count,
  delayMs: due_at === null ? 0 : Math.max(0, due_at - now),
  again: true,
});

/** What may carry an event that left its first group: a job of its own, or that of the events it was opened with. */
const jobIdsOf = ({ id, group_id: group, generation }: Unfinished): string[] => [
  eventJobId(id, generation),
  eventJobId(group, generation),
];

const requeueSingles = async (ctx: Ctx, page: readonly Unfinished[], dead: boolean): Promise<number> => {
  const carried = dead ? new Set<string>() : await ctx.queues.carried([...new Set(page.flatMap(jobIdsOf))]);
  const orphans = page.filter((event) => !jobIdsOf(event).some((jobId) => carried.has(jobId)));
  // failpoint: reconcile.singles-read
  for (const part of chunks(orphans, jobsAtOnce)) {
    await ctx.queues.enqueueEvents(
      part.map((one) => (dead ? { ...jobOf(one, ctx.now()), again: false, dead } : jobOf(one, ctx.now()))),
    );
  }
  return orphans.length;
};

/** Queues pending events again that nothing carries; `after` is where the next walk goes on, the start once it came to the end. */
const requeuePending = async (ctx: Ctx, walk: Walk): Promise<{ requeued: number; after: string }> => {
  let requeued = 0;
  for await (const { last, events } of unfinished(ctx.db, 'pending', { from: 0, before: walk.before }, walk.after)) {
    const [grouped, single] = [events.filter(isGrouped), events.filter((event) => !isGrouped(event))];
    if (grouped.length > 0) requeued += await requeueGroups(ctx, grouped, walk);
    if (single.length > 0) requeued += await requeueSingles(ctx, single, false);
    if (ctx.elapsed() > walk.until) return { requeued, after: last };
  }
  return { requeued, after: fromTheStart };
};

/** Events that failed before their domain was registered, by a registration that did not live to reopen them. */
const reopenLeft = async (ctx: Ctx, before: number): Promise<number> => {
  let reopened = 0;
  for (;;) {
    const rows = await reopenRegistered(ctx.db, { before, limit: jobsAtOnce, now: ctx.now() });
    // failpoint: reconcile.reopened
    const jobs = rows.map((row) => jobOf({ ...row, due_at: null }, ctx.now()));
    if (jobs.length > 0) await ctx.queues.enqueueEvents(jobs);
    reopened += rows.length;
    if (rows.length < jobsAtOnce) return reopened;
  }
};

const mayShow = new Set(['failed', 'waiting', 'active']);

/**
 * Whether jobs of dead letters are missing from the failed set: somebody cleaned it, or took some out. Those on their way
 * there count as there: while very many are, they are not queued anew with every pass.
 */
const someUnshown = async (ctx: Ctx, before: number): Promise<boolean> => {
  const dead = await deadBefore(ctx.db, before);
  if (dead === 0) return false;
  const depths = await ctx.queues.depths();
  const shown = depths.filter(({ queue, state }) => queue === 'cert-events' && mayShow.has(state));
  return dead > shown.reduce((sum, { jobs }) => sum + jobs, 0);
};

/** Shows dead letters that were last touched in this time in the failed set, where their jobs are not there yet. */
const showDead = async (ctx: Ctx, touched: Touched): Promise<void> => {
  for await (const { events } of unfinished(ctx.db, 'failed', touched)) {
    if (events.length > 0) await requeueSingles(ctx, events, true);
  }
};

/** Shows one page of all dead letters; resolves to where the next one begins. */
const showPage = async (ctx: Ctx, before: number, after: string): Promise<string> => {
  for await (const { last, events } of unfinished(ctx.db, 'failed', { from: 0, before }, after)) {
    if (events.length > 0) await requeueSingles(ctx, events, true);
    return last;
  }
  return fromTheStart;
};

export interface Reconciled {
  readonly requeued: number;
  readonly ms: number;
}

/**
 * Queues again whatever the ledger says is unfinished and no queue carries. Complete: it walks all pending events, a long
 * backlog in several calls. Dead letters, whose jobs only show them, are gone through from where this process was the last time,
 * all of them when the failed set holds too few, and page by page besides.
 *
 * Its argument: the queue's store may have lost anything, so that events of any age count and all dead letters are shown
 * again. It resolves to null when another process is at it.
 */
export const reconciler = (ctx: Ctx): ((doubtful: boolean) => Promise<Reconciled | null>) => {
  let shownUntil = ctx.now() - firstLookBackMs;
  let resumeAfter = fromTheStart;
  let round = { after: fromTheStart, at: ctx.elapsed() };
  return (doubtful) =>
    exclusively(ctx.db, async () => {
      const [started, begun] = [ctx.now(), ctx.elapsed()];
      const before = doubtful ? started + 60_000 : started - graceMs;
      let requeued = await reopenLeft(ctx, started - graceMs);
      const [after, until] = doubtful ? [fromTheStart, Number.POSITIVE_INFINITY] : [resumeAfter, begun + calmWalkMs];
      const walked = await requeuePending(ctx, { doubtful, whole: new Set(), before, after, until });
      requeued += walked.requeued;
      resumeAfter = walked.after;
      const all = doubtful || (await someUnshown(ctx, before));
      await showDead(ctx, { from: all ? 0 : shownUntil, before });
      if (begun - round.at >= roundEveryMs) round = { after: await showPage(ctx, before, round.after), at: begun };
      shownUntil = started - graceMs;
      if (requeued > 0) ctx.metrics.reconciled.inc(requeued);
      return { requeued, ms: Math.round(ctx.elapsed() - begun) };
    });
};
