import type { EventStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';

/** An event that is pending again: `jobId` parts for its queue job. */
export interface Reopened {
  readonly id: string;
  readonly generation: number;
  readonly retry_count: number;
}

/**
 * Makes the events of newly registered domains pending again, dead letters too. Rows that a running try has locked are
 * waited for, so that none slips between the registration and that try.
 */
export const reopenUnresolved = async ({ sql }: Db, domains: readonly string[], now: number): Promise<Reopened[]> =>
  sql<Reopened[]>`
    update certificate_lifecycle_events
    set status = 'pending', generation = generation + 1, retry_count = 0, next_retry_at = null, updated_at = to_timestamp(${now} / 1000.0)
    where domain = any(${[...domains]}::text[]) and domain_id is null and status <> 'applied'
    returning id, generation, retry_count`;

/**
 * Makes events pending again that failed for want of a domain that is registered by now: their registration ended between
 * its commit and {@link reopenUnresolved}. At most `limit` of them, last touched before `before` (epoch ms). Those that are
 * open again and wait for their turn are left alone: with yet another generation they would go to the end of the queue.
 */
export const reopenRegistered = async (
  { sql }: Db,
  { before, limit, now }: { before: number; limit: number; now: number },
): Promise<Reopened[]> =>
  sql<Reopened[]>`
    update certificate_lifecycle_events
    set status = 'pending', generation = generation + 1, retry_count = 0, next_retry_at = null, updated_at = to_timestamp(${now} / 1000.0)
    where id in (
      select e.id from certificate_lifecycle_events e join custom_domains d on d.domain = e.domain
      where e.domain_id is null and e.error_class = 'unresolved' and (e.status = 'failed' or e.next_retry_at is not null)
        and e.updated_at < to_timestamp(${before} / 1000.0)
      limit ${limit} for update of e skip locked)
    returning id, generation, retry_count`;

/** An event to replay; where `endedAt` is given (epoch ms), only if it has not come to another end since. */
export interface Candidate {
  readonly id: string;
  readonly endedAt?: number;
}

/** Who has events replayed, why and when (epoch ms). */
export interface Replaying {
  readonly actor: string;
  readonly reason: string | null;
  readonly now: number;
  /** Whether the tries begin anew; else they go on being counted. */
  readonly resetRetry: boolean;
  /** A label of the counter of replays. */
  readonly by: 'person' | 'bulk' | 'policy';
  /** The bulk replay that it belongs to, and the group that carries the events together; each for itself without one. */
  readonly replayId: number | null;
  readonly groupId?: string;
  /** The status that an event has to have; those in another are left alone. */
  readonly from: 'failed' | 'applied';
}

/** In the statement that opens events as `opened`: the counter goes up with what it counts. */
const counted = (sql: Db['sql'], by: Replaying['by'] | 'queue') => sql`
  insert into counters (name, labels, value)
  select 'fdt_cert_dlq_replayed_events_total', ${`by="${by}"`}, count(*) from opened having count(*) > 0
  on conflict (name, labels) do update set value = counters.value + excluded.value`;

/**
 * Opens a new generation of these events, each with its note of who and why, in one statement. What is not any more as it was
 * found, or is gone, is left alone, so that doing it twice is the same as once.
 *
 * @param candidates at most some thousands
 * @returns those that are pending now, for `enqueueEvents`; the reconciler queues them if nobody else does
 */
export const openForReplay = async (
  { sql }: Pick<Db, 'sql'>,
  candidates: readonly Candidate[],
  { actor, reason, now, resetRetry, by, replayId, groupId, from }: Replaying,
): Promise<Reopened[]> =>
  sql<Reopened[]>`
    with wanted as (
      select e.id
      from unnest(${candidates.map(({ id }) => id)}::uuid[], ${candidates.map(({ endedAt }) => endedAt ?? null)}::float8[]) as u(id, ended_ms)
      join certificate_lifecycle_events e on e.id = u.id
      where e.status = ${from}
        and (u.ended_ms is null or (extract(epoch from coalesce(e.processed_at, e.updated_at)) * 1000)::float8 = u.ended_ms)
      order by e.id for update of e
    ), opened as (
      update certificate_lifecycle_events e
      set status = 'pending', outcome = null, processed_at = null, generation = generation + 1,
          retry_count = case when ${resetRetry} then 0 else retry_count end,
          next_retry_at = null, dlq_replay_count = dlq_replay_count + 1,
          group_id = coalesce(${groupId ?? null}::uuid, e.group_id),
          last_dlq_replayed_at = to_timestamp(${now} / 1000.0), updated_at = to_timestamp(${now} / 1000.0)
      from wanted w where e.id = w.id
      returning e.id, e.generation, e.retry_count
    ), noted as (
      insert into cert_event_replays (event_id, generation, actor, reason, replay_id, created_at)
      select id, generation, ${actor}, ${reason}::text, ${replayId}::bigint, to_timestamp(${now} / 1000.0) from opened order by id
    ), counted as (${counted(sql, by)})
    select id, generation, retry_count from opened order by id`;

export interface Replay {
  readonly id: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly force: boolean;
  readonly resetRetry: boolean;
  readonly now: number;
}

export type ReplayOutcome =
  | { readonly kind: 'reopened'; readonly event: Reopened }
  | { readonly kind: 'missing' | 'applied' };

/** Opens a new generation of one event (contract 4): an applied one only with `force`. The WHERE clause settles races. */
export const reopenEvent = async ({ sql }: Pick<Db, 'sql'>, replay: Replay): Promise<ReplayOutcome> => {
  const { id, actor, reason, force, resetRetry, now } = replay;
  const rows = await sql<Reopened[]>`
    with opened as (
      update certificate_lifecycle_events
      set status = 'pending', outcome = null, processed_at = null, generation = generation + 1,
          retry_count = case when ${resetRetry} then 0 else retry_count end,
          next_retry_at = null, dlq_replay_count = dlq_replay_count + 1,
          last_dlq_replayed_at = to_timestamp(${now} / 1000.0), updated_at = to_timestamp(${now} / 1000.0)
      where id = ${id} and (status <> 'applied' or ${force})
      returning id, generation, retry_count
    ), noted as (
      insert into cert_event_replays (event_id, generation, actor, reason, created_at)
      select id, generation, ${actor}, ${reason}::text, to_timestamp(${now} / 1000.0) from opened
    ), counted as (${counted(sql, 'person')})
    select id, generation, retry_count from opened`;
  const event = rows[0];
  if (event !== undefined) return { kind: 'reopened', event };
  const [present] = await sql<
    { status: EventStatus }[]
  >`select status from certificate_lifecycle_events where id = ${id}`;
  return { kind: present === undefined ? 'missing' : 'applied' };
};

/** A retry that was asked for in the queue itself, and by whom where that is known. */
export interface QueueRetry {
  readonly id: string;
  readonly generation: number;
  readonly actor: string;
  readonly reason: string;
  readonly now: number;
}

/** Follows a retry in the queue: the same generation is tried once more. @returns false when it is open, or over, already. */
export const reopenFailed = async ({ sql }: Pick<Db, 'sql'>, retry: QueueRetry): Promise<boolean> => {
  const { id, generation, actor, reason, now } = retry;
  const rows = await sql`
    with opened as (
      update certificate_lifecycle_events
      set status = 'pending', processed_at = null, retry_count = 0, next_retry_at = null, dlq_replay_count = dlq_replay_count + 1,
          last_dlq_replayed_at = to_timestamp(${now} / 1000.0), updated_at = to_timestamp(${now} / 1000.0)
      where id = ${id} and generation = ${generation} and status = 'failed'
      returning id, generation
    ), noted as (
      insert into cert_event_replays (event_id, generation, actor, reason, created_at)
      select id, generation, ${actor}, ${reason}, to_timestamp(${now} / 1000.0) from opened
    ), counted as (${counted(sql, 'queue')})
    select id from opened`;
  return rows.length > 0;
};
