import { coverOf, type Facts, isCovered } from '../lifecycle/retention.ts';
import type { EventStatus } from '../lifecycle/types.ts';
import type { Tx } from './client.ts';
import { ms } from './epoch.ts';
import type { Step } from './retention-step.ts';
import { firstIdAt } from './uuid-time.ts';

const pageSize = 500;
// Newest rows of a domain among which what replaces the old ones is looked for. Fewer seen means fewer removed, never more.
const looksBack = 32;
// Longer than any statement at ingest may take: none can have begun before the note and write after the event is gone.
const notedBeforeMs = 60_000;
const leastId = '00000000-0000-0000-0000-000000000000';

interface OldEvent extends Facts {
  readonly id: string;
  readonly domain: string;
  readonly domainId: string | null;
  readonly status: EventStatus;
  /** Not touched since it became old, and not the event by which its source is known. */
  readonly idle: boolean;
  /** Its domain is not registered any more. */
  readonly orphaned: boolean;
}

interface RecentEvent extends Facts {
  readonly domainId: string;
}

interface Removed {
  readonly n: number;
}

/** What may go, of `certificate_lifecycle_events e`; looked at again behind the lock. */
const goes = (tx: Tx, cutoff: number) => tx`e.status = 'applied' and e.updated_at < to_timestamp(${cutoff} / 1000.0)`;

/** With the events of `gone`, what was noted of their tries and replays. */
const withTraces = (tx: Tx) => tx`
  tries as (delete from cert_event_attempts a using gone g where a.event_id = g.id),
  replayed as (delete from cert_event_replays r using gone g where r.event_id = g.id)`;

const facts = (tx: Tx, of: 'e' | 'n') => tx`
  ${tx(of)}.event_type as "eventType", ${ms(tx, `${of}.occurred_at`)} as "occurredAt", ${tx(of)}.certificate_ref as "certificateRef",
  ${ms(tx, `${of}.not_after`)} as "notAfter", ${ms(tx, `${of}.renewal_due_at`)} as "renewalDueAt"`;

const readPage = (tx: Tx, after: string | null, cutoff: number) => tx<OldEvent[]>`
  select e.id, e.domain, e.domain_id as "domainId", e.status, ${facts(tx, 'e')},
    e.updated_at < to_timestamp(${cutoff} / 1000.0) and s.last_event_id is null as idle, d.id is null as orphaned
  from certificate_lifecycle_events e
  left join custom_domains d on d.id = e.domain_id
  left join cert_sources s
    on s.source = e.source and s.cluster_id = coalesce(e.cluster_id, '') and s.last_event_id = e.id
  where e.id > ${after ?? leastId} and e.id < ${firstIdAt(Math.max(0, Math.floor(cutoff)))}
  order by e.id limit ${pageSize}`;

/** The newest applied events of the domains that these old ones belong to, by domain id. */
const readRecent = async (tx: Tx, old: readonly OldEvent[]): Promise<ReadonlyMap<string, readonly RecentEvent[]>> => {
  const names = [...new Set(old.map(({ domain }) => domain))];
  const rows = await tx<RecentEvent[]>`
    select n.domain_id as "domainId", ${facts(tx, 'n')}
    from unnest(${names}::text[]) as u(domain)
    cross join lateral (
      select * from certificate_lifecycle_events x where x.domain = u.domain order by x.id desc limit ${looksBack}) n
    where n.status = 'applied' and n.domain_id is not null`;
  return Map.groupBy(rows, ({ domainId }) => domainId);
};

/** Those of the page that a fold can do without. What is pending or a dead letter is never among them. */
const forgettable = async (tx: Tx, page: readonly OldEvent[]): Promise<string[]> => {
  const old = page.filter(({ status, idle }) => status === 'applied' && idle);
  const standing = old.filter(({ orphaned }) => !orphaned);
  const recent = standing.length === 0 ? new Map<string, RecentEvent[]>() : await readRecent(tx, standing);
  const covers = new Map([...recent].map(([domainId, events]) => [domainId, coverOf(events)]));
  return old.flatMap((event) => {
    const cover = covers.get(event.domainId ?? '');
    return event.orphaned || (cover !== undefined && isCovered(event, cover)) ? [event.id] : [];
  });
};

/**
 * Of these events, notes the identities of those that have one, so that they can go after a while, and removes the others at
 * once: what has no identity is never known as a repeat.
 */
const noteOrRemove = async (tx: Tx, ids: readonly string[], cutoff: number, now: number): Promise<number> => {
  const [row] = await tx<Removed[]>`
    with chosen as materialized (
      select e.id, e.source_event_id is not null as named, e.content_hash,
        case when e.source_event_id is not null then event_identity(e.source, e.cluster_id, e.source_event_id) end as digest
      from certificate_lifecycle_events e
      where e.id = any(${[...ids]}::uuid[]) and ${goes(tx, cutoff)} order by e.id for update of e skip locked
    ), noted as (
      insert into event_identities (digest, event_id, content_hash, noted_at)
      select digest, id, content_hash, to_timestamp(${now} / 1000.0) from chosen where named order by digest
      on conflict (digest) do nothing
    ), gone as (
      delete from certificate_lifecycle_events e using chosen c where e.id = c.id and not c.named returning e.id
    ), ${withTraces(tx)}
    select count(*)::int as n from gone`;
  return row?.n ?? 0;
};

/**
 * Goes through the events received before the cutoff in the order of their ids, and finds those that no fold needs. They go
 * in {@link notedEventsStep}.
 */
export const eventsStep: Step = async (tx, { after, cutoff, now }) => {
  const page = await readPage(tx, after, cutoff);
  const ids = await forgettable(tx, page);
  const removed = ids.length === 0 ? 0 : await noteOrRemove(tx, ids, cutoff, now);
  return { last: page.length < pageSize ? null : (page.at(-1)?.id ?? null), removed };
};

/**
 * Removes events whose identity was noted long enough ago. One that was replayed since is left alone, and its identity
 * forgotten: it is still in the ledger.
 */
export const notedEventsStep: Step = async (tx, { cutoff, now }) => {
  const [row] = await tx<(Removed & { seen: number })[]>`
    with due as materialized (
      select digest, event_id from event_identities
      where removed_at is null and noted_at < to_timestamp(${now - notedBeforeMs} / 1000.0) order by noted_at limit ${pageSize}
      for update skip locked
    ), chosen as materialized (
      select e.id from due d join certificate_lifecycle_events e on e.id = d.event_id
      where ${goes(tx, cutoff)} order by e.id for update of e skip locked
    ), gone as (
      delete from certificate_lifecycle_events e using chosen c where e.id = c.id returning e.id
    ), ${withTraces(tx)}, marked as (
      update event_identities i set removed_at = to_timestamp(${now} / 1000.0)
      from due d join gone g on g.id = d.event_id where i.digest = d.digest
    ), released as (
      delete from event_identities i using due d join certificate_lifecycle_events e on e.id = d.event_id
      where i.digest = d.digest and not (${goes(tx, cutoff)})
    )
    select (select count(*)::int from due) as seen, count(*)::int as n from gone`;
  return { last: row?.seen === pageSize && row.n > 0 ? 'more' : null, removed: row?.n ?? 0 };
};
