import {
  allowanceOf,
  mostWaiting,
  progressOf,
  reasonToPause,
  type ReplayCounts,
  steppedTo,
} from '../lifecycle/replay.ts';
import type { Db } from './client.ts';
import { raiseCounters } from './counters.ts';
import { ms } from './epoch.ts';
import { inTransaction } from './in-transaction.ts';
import { type Candidate, openForReplay, type Reopened } from './reopen.ts';
import { partSize } from './replay-plan.ts';

/** A replay that is not over: events to open, or to hear of. */
export interface LiveReplay {
  readonly id: number;
  readonly opening: boolean;
}

/** The replays that are not over, oldest first; a cancelled one is over when all that it opened has come to an end. */
export const liveReplays = async ({ sql }: Db): Promise<LiveReplay[]> =>
  sql<LiveReplay[]>`
    select id::float8 as id, state = 'running' and looked < total as opening from replays
    where state in ('running', 'paused', 'cancelled') and finished_at is null order by id`;

interface StepRow extends ReplayCounts {
  readonly actor: string;
  readonly reason: string | null;
  readonly from: 'failed' | 'applied';
  readonly resetRetry: boolean;
  readonly rate: number;
  readonly total: number;
  readonly looked: number;
  readonly skipped: number;
  readonly steppedAt: number;
}

interface PartSlice {
  readonly ids: readonly string[];
  readonly ended: readonly number[];
}

const readSlice = async ({ sql }: Db, id: number, looked: number, take: number): Promise<Candidate[]> => {
  const first = (looked % partSize) + 1;
  const [slice] = await sql<PartSlice[]>`
    select event_ids[${first}::int:${first + take - 1}::int] as ids, ended_ms[${first}::int:${first + take - 1}::int]::float8[] as ended
    from replay_parts where replay_id = ${id} and part = ${Math.floor(looked / partSize)}`;
  return (slice?.ids ?? []).map((event, index) => {
    const endedAt = slice?.ended[index];
    return endedAt === undefined ? { id: event } : { id: event, endedAt };
  });
};

/**
 * Opens the next events of a running replay, as many as its rate allows by now, in one transaction with its progress: a run
 * that dies leaves both or neither, and two that meet open no event twice.
 *
 * @param step `most` events; `groupId` is the group that will carry them; `now` epoch ms
 * @returns the events that are pending now, for `enqueueOpened`; null when the replay is in other hands, or stands still
 */
export const stepReplay = (
  db: Db,
  id: number,
  { now, most, groupId }: { readonly now: number; readonly most: number; readonly groupId: string },
): Promise<Reopened[] | null> =>
  inTransaction(db, async (tx) => {
    const [replay] = await tx.sql<StepRow[]>`
      select coalesce(executed_by, planned_by) as actor, reason, filter ->> 'status' as "from", reset_retry as "resetRetry",
        rate_per_second as rate, total, looked, skipped, applied, failed_again, retrying, seen_applied, seen_failed, ${ms(tx.sql, 'stepped_at')} as "steppedAt"
      from replays where id = ${id} and state = 'running' for update skip locked`;
    if (replay === undefined) return null;
    const { total, looked, rate, actor, reason, from, resetRetry } = replay;
    const allowance = allowanceOf(rate, replay.steppedAt, now);
    const { waiting } = progressOf({ ...replay, state: 'running', rate_per_second: rate });
    const room = mostWaiting(replay, rate) - waiting;
    // A step ends with its part; what the rate allows beyond that is left for the next one.
    const take = Math.min(allowance.events, room, most, total - looked, partSize - (looked % partSize));
    if (take <= 0) return [];
    const candidates = await readSlice(tx, id, looked, take);
    const opened = await openForReplay(tx, candidates, {
      actor,
      reason,
      now,
      resetRetry,
      from,
      by: 'bulk',
      replayId: id,
      groupId,
    });
    // failpoint: replay.opened
    await tx.sql`
      update replays set looked = looked + ${take}, opened = opened + ${opened.length}, skipped = skipped + ${take - opened.length},
        position = ${candidates.at(-1)?.id ?? null}, stepped_at = to_timestamp(${steppedTo(allowance, take, rate)}::float8 / 1000)
      where id = ${id}`;
    return opened;
  });

interface Settled extends ReplayCounts {
  readonly state: 'running' | 'paused' | 'cancelled';
  readonly left: number;
  readonly waiting: number;
}

/** Notes what opened events have come to since, and counts it. One that was replayed by another before that is overtaken. */
const noteResults = async ({ sql }: Db, id: number): Promise<Settled | undefined> => {
  const [row] = await sql<Settled[]>`
    with unsettled as materialized (
      select r.id, e.status, e.generation is distinct from r.generation as gone,
        exists (select from cert_event_attempts a where a.event_id = r.event_id and a.generation = r.generation) as failed
      from cert_event_replays r left join certificate_lifecycle_events e on e.id = r.event_id
      where r.replay_id = ${id} and r.result is null
    ), noted as (
      update cert_event_replays r
      set result = case when u.gone then case when u.failed then 'failed' else 'overtaken' end else u.status end
      from unsettled u where r.id = u.id and (u.gone or u.status <> 'pending')
      returning r.result
    ), sums as (
      select count(*) filter (where result = 'applied')::int as applied, count(*) filter (where result = 'failed')::int as failed,
        count(*) filter (where result = 'overtaken')::int as overtaken, count(*)::int as n from noted
    )
    update replays p
    set applied = p.applied + s.applied, failed_again = p.failed_again + s.failed, skipped = p.skipped + s.overtaken,
      retrying = (select count(*) from unsettled where failed and not gone and status = 'pending')
    from sums s where p.id = ${id}
    returning p.state, p.applied, p.failed_again, p.retrying, p.seen_applied, p.seen_failed, p.total - p.looked as left,
      (select count(*)::int from unsettled) - s.n as waiting`;
  return row;
};

/** What a look at a replay's events led to. */
export type SettleOutcome = 'goes_on' | 'paused' | 'over';

const finish = async ({ sql }: Db, id: number, state: 'done' | 'cancelled', now: number): Promise<void> => {
  await sql`
    update replays set state = ${state}, paused_because = null, finished_at = to_timestamp(${now} / 1000.0) where id = ${id}`;
  await sql`delete from replay_parts where replay_id = ${id}`;
  if (state === 'done') await raiseCounters(sql, [{ name: 'fdt_cert_replays_total', labels: { state } }]);
};

/**
 * Takes down what the opened events of a replay have come to; makes it pause when too many fail again, and ends it when
 * nothing is left. Nothing is done while another process is at it.
 *
 * @param now epoch ms
 */
export const settleReplay = (db: Db, id: number, now: number): Promise<SettleOutcome> =>
  inTransaction(db, async (tx) => {
    const [live] = await tx.sql`
      select 1 from replays where id = ${id} and state in ('running', 'paused', 'cancelled') and finished_at is null
      for update skip locked`;
    const counts = live === undefined ? undefined : await noteResults(tx, id);
    // failpoint: replay.noted
    if (counts === undefined) return 'goes_on';
    const { state, left, waiting } = counts;
    if (waiting === 0 && (left === 0 || state === 'cancelled')) {
      await finish(tx, id, state === 'cancelled' ? state : 'done', now);
      return 'over';
    }
    const because = state === 'running' && left > 0 ? reasonToPause(counts) : null;
    if (because === null) return 'goes_on';
    await tx.sql`update replays set state = 'paused', paused_because = ${because} where id = ${id}`;
    await raiseCounters(tx.sql, [{ name: 'fdt_cert_replays_total', labels: { state: 'self_paused' } }]);
    return 'paused';
  });

/** Removes plans that nobody executed, some time after they expired, and what cancelled ones left. @param before epoch ms */
export const removeOldPlans = async ({ sql }: Db, before: number): Promise<void> => {
  await sql`delete from replays where state = 'planned' and expires_at < to_timestamp(${before} / 1000.0)`;
  await sql`
    delete from replay_parts p using replays r
    where r.id = p.replay_id and r.finished_at is not null`;
};
