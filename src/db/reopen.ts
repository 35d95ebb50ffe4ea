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
 * its commit and {@link reopenUnresolved}. At most `limit` of them, last touched before `before` (epoch ms).
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
      where e.domain_id is null and e.error_class = 'unresolved' and e.updated_at < to_timestamp(${before} / 1000.0)
      limit ${limit} for update of e skip locked)
    returning id, generation, retry_count`;

export interface Replay {
  readonly id: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly force: boolean;
  readonly resetRetry: boolean;
  readonly now: number;
}

export type ReplayResult =
  | { readonly kind: 'reopened'; readonly event: Reopened }
  | { readonly kind: 'missing' | 'applied' };

/** Opens a new generation of one event (contract 4): an applied one only with `force`. The WHERE clause settles races. */
export const reopenEvent = async ({ sql }: Db, replay: Replay): Promise<ReplayResult> => {
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
    )
    select * from opened`;
  const event = rows[0];
  if (event !== undefined) return { kind: 'reopened', event };
  const [present] = await sql<
    { status: EventStatus }[]
  >`select status from certificate_lifecycle_events where id = ${id}`;
  return { kind: present === undefined ? 'missing' : 'applied' };
};

/** Follows a retry that was asked for in the queue itself: the same generation is tried once more. */
export const reopenFailed = async ({ sql }: Db, id: string, generation: number, now: number): Promise<void> => {
  await sql`
    with opened as (
      update certificate_lifecycle_events
      set status = 'pending', processed_at = null, retry_count = 0, next_retry_at = null, dlq_replay_count = dlq_replay_count + 1,
          last_dlq_replayed_at = to_timestamp(${now} / 1000.0), updated_at = to_timestamp(${now} / 1000.0)
      where id = ${id} and generation = ${generation} and status = 'failed'
      returning id, generation
    )
    insert into cert_event_replays (event_id, generation, actor, reason, created_at)
    select id, generation, 'queue', 'retried in the queue', to_timestamp(${now} / 1000.0) from opened`;
};
