import { coverOf, type Facts, isCovered } from '../lifecycle/retention.ts';
import type { EventStatus } from '../lifecycle/types.ts';
import type { Tx } from './client.ts';
import { ms } from './epoch.ts';
import type { Step } from './retention-step.ts';
import { firstIdAt } from './uuid-time.ts';

const pageSize = 500;
// Newest rows of a domain among which what replaces the old ones is looked for. Fewer seen means fewer removed, never more.
const looksBack = 32;
// Longer than any statement at ingest may take.
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

/** Removes events with their tries and replays; of one that has an identity, that is noted first, and the event goes in a later round. */
const remove = async (tx: Tx, ids: readonly string[], cutoff: number, now: number): Promise<number> => {
  const [row] = await tx<{ n: number }[]>`
    with chosen as materialized (
      select e.id, e.source_event_id is not null as named, e.content_hash,
        case when e.source_event_id is not null then event_identity(e.source, e.cluster_id, e.source_event_id) end as digest
      from certificate_lifecycle_events e
      where e.id = any(${[...ids]}::uuid[]) and e.status = 'applied' and e.updated_at < to_timestamp(${cutoff} / 1000.0)
      order by e.id for update of e skip locked
    ), known as materialized (
      select c.id, i.noted_at from chosen c join event_identities i on i.digest = c.digest and i.event_id = c.id
    ), noted as (
      insert into event_identities (digest, event_id, content_hash, noted_at)
      select digest, id, content_hash, to_timestamp(${now} / 1000.0) from chosen where named order by digest
      on conflict (digest) do nothing
    ), gone as (
      delete from certificate_lifecycle_events e using chosen c
      where e.id = c.id and (not c.named
        or exists (select from known k where k.id = c.id and k.noted_at < to_timestamp(${now - notedBeforeMs} / 1000.0)))
      returning e.id
    ), tries as (
      delete from cert_event_attempts a using gone g where a.event_id = g.id
    ), replayed as (
      delete from cert_event_replays r using gone g where r.event_id = g.id
    )
    select count(*)::int as n from gone`;
  return row?.n ?? 0;
};

/** Goes through the events received before the cutoff in the order of their ids, and removes those that no fold needs. */
export const eventsStep: Step = async (tx, { after, cutoff, now }) => {
  const page = await readPage(tx, after, cutoff);
  const ids = await forgettable(tx, page);
  const removed = ids.length === 0 ? 0 : await remove(tx, ids, cutoff, now);
  return { last: page.length < pageSize ? null : (page.at(-1)?.id ?? null), removed };
};
