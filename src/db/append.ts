import type { ParsedEvent } from '../lifecycle/event.ts';
import type { EventStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';

/** An event that may enter the ledger. Times are epoch milliseconds. */
export interface NewEvent {
  readonly id: string;
  readonly source: string;
  readonly clusterId: string | null;
  readonly domain: string;
  readonly parsed: ParsedEvent;
  readonly provenanceSubject: string | null;
  readonly receivedAt: number;
}

export type Appended =
  | { readonly kind: 'created'; readonly id: string }
  | { readonly kind: 'duplicate'; readonly id: string; readonly status: EventStatus }
  | { readonly kind: 'conflict' };

const identityOf = (source: string, clusterId: string | null, sourceEventId: string | undefined): string | null =>
  sourceEventId === undefined ? null : JSON.stringify([source, clusterId ?? '', sourceEventId]);

const keyOf = ({ source, clusterId, parsed }: NewEvent): string | null =>
  identityOf(source, clusterId, parsed.sourceEventId);

/**
 * Writes a group in one statement and commits it; what is already in the ledger is left as it is.
 * The identity's unique index settles every race, within the group, between groups and between processes.
 *
 * @returns one answer per event, in the order given.
 */
export const appendEvents = async (db: Db, group: readonly NewEvent[], groupId: string): Promise<Appended[]> => {
  const firsts = new Map<string, NewEvent>();
  const rows: NewEvent[] = [];
  for (const event of group) {
    const key = keyOf(event);
    if (key !== null && firsts.has(key)) continue;
    if (key !== null) firsts.set(key, event);
    rows.push(event);
  }
  const created = await insertRows(db, rows, groupId);
  const settled = new Map<string, { id: string; status: EventStatus; hash: string }>();
  for (const [key, event] of firsts) {
    if (created.has(event.id)) settled.set(key, { id: event.id, status: 'pending', hash: event.parsed.contentHash });
  }
  const known = rows.filter((event) => !created.has(event.id));
  if (known.length > 0) for (const [key, row] of await findByIdentity(db, known)) settled.set(key, row);
  return group.map((event) => {
    if (created.has(event.id)) return { kind: 'created', id: event.id };
    const first = settled.get(keyOf(event) ?? '');
    if (first === undefined || first.hash !== event.parsed.contentHash) return { kind: 'conflict' };
    return { kind: 'duplicate', id: first.id, status: first.status };
  });
};

// Groups that meet on the same identities take them in one order, so that they wait for each other and never in a ring.
const inIdentityOrder = (events: readonly NewEvent[]): NewEvent[] =>
  events
    .map((event) => ({ event, key: keyOf(event) ?? event.id }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ event }) => event);

/** One parameter for the whole group: a list as JSON costs this process less than as many arrays as there are columns. */
const rowOf = ({ id, source, clusterId, domain, parsed, provenanceSubject, receivedAt }: NewEvent) => ({
  id,
  source,
  cluster_id: clusterId,
  source_event_id: parsed.sourceEventId,
  domain,
  event_type: parsed.eventType,
  occurred_at: parsed.happenedAt,
  certificate_ref: parsed.certificateRef,
  not_before: parsed.notBefore,
  not_after: parsed.notAfter,
  renewal_due_at: parsed.renewalDueAt,
  reason: parsed.reason,
  payload: parsed.payload,
  subject: provenanceSubject,
  callback_class: parsed.callbackClass,
  callback_action: parsed.callbackAction,
  callback_attempt: parsed.callbackAttempt,
  callback_received_at: parsed.callbackReceivedAt,
  content_hash: parsed.contentHash,
  received_at: receivedAt,
});

// The lateral lookups keep the order given, and never read the whole of a table as a hash join does. An event that retention
// has removed is not written again: its identity was noted before it went.
const insertRows = async (
  { sql }: Db,
  unsorted: readonly NewEvent[],
  groupId: string,
): Promise<ReadonlySet<string>> => {
  const events = inIdentityOrder(unsorted);
  const inserted = await sql<{ id: string }[]>`
    with given as (
      select * from json_to_recordset(${JSON.stringify(events.map(rowOf))}::text::json) as t(
        id uuid, source text, cluster_id text, source_event_id text, domain text, event_type text, occurred_at float8,
        certificate_ref text, not_before float8, not_after float8, renewal_due_at float8, reason text, payload jsonb, subject text,
        callback_class text, callback_action text, callback_attempt int2, callback_received_at float8, content_hash text,
        received_at float8)
    ), written as (
      insert into certificate_lifecycle_events (
        id, source, cluster_id, source_event_id, org_id, domain_id, domain, event_type, occurred_at, certificate_ref,
        not_before, not_after, renewal_due_at, reason, payload_json, provenance_subject, provenance_verified,
        callback_class, callback_action, callback_attempt, callback_received_at, group_id, content_hash, created_at, updated_at)
      select g.id, g.source, g.cluster_id, g.source_event_id, d.org_id, d.id, g.domain, g.event_type, to_timestamp(g.occurred_at / 1000),
        g.certificate_ref, to_timestamp(g.not_before / 1000), to_timestamp(g.not_after / 1000), to_timestamp(g.renewal_due_at / 1000),
        g.reason, g.payload, g.subject, g.subject is not null, g.callback_class, g.callback_action, g.callback_attempt,
        to_timestamp(g.callback_received_at / 1000), ${groupId}, decode(g.content_hash, 'hex'),
        to_timestamp(g.received_at / 1000), to_timestamp(g.received_at / 1000)
      from given g left join lateral (select id, org_id from custom_domains where domain = g.domain limit 1) d on true
      left join lateral (
        select i.event_id from event_identities i
        where i.digest = event_identity(g.source, g.cluster_id, g.source_event_id) limit 1) gone on true
      where gone.event_id is null
      on conflict (source, coalesce(cluster_id, ''), source_event_id) where source_event_id is not null do nothing
      returning id, source, cluster_id, event_type, created_at
    ), seen as (
      insert into cert_sources (source, cluster_id, last_event_id, last_event_type, events_total, last_seen_at)
      select source, coalesce(cluster_id, ''), (array_agg(id order by id desc))[1], (array_agg(event_type order by id desc))[1],
        count(*), max(created_at)
      from written group by 1, 2 order by 1, 2
      on conflict (source, cluster_id) do update set
        last_event_id = excluded.last_event_id, last_event_type = excluded.last_event_type,
        events_total = cert_sources.events_total + excluded.events_total,
        last_seen_at = greatest(cert_sources.last_seen_at, excluded.last_seen_at)
    )
    select id from written`;
  return new Set(inserted.map((row) => row.id));
};

interface KnownRow {
  readonly id: string;
  readonly source: string;
  readonly cluster_id: string | null;
  readonly source_event_id: string;
  readonly status: EventStatus;
  readonly content_hash: string;
}

/** Events of these identities: those in the ledger, and of those that retention has removed, what it has noted. */
const findByIdentity = async ({ sql }: Db, events: readonly NewEvent[]) => {
  const rows = await sql<KnownRow[]>`
    with k as (
      select * from unnest(${events.map((e) => e.source)}::text[], ${events.map((e) => e.clusterId ?? '')}::text[],
                           ${events.map((e) => e.parsed.sourceEventId ?? '')}::text[]) as t(source, cluster_id, source_event_id)
    )
    select false as here, k.source, k.cluster_id, k.source_event_id, i.event_id as id, 'applied' as status,
      encode(i.content_hash, 'hex') as content_hash
    from k cross join lateral (
      select event_id, content_hash from event_identities
      where digest = event_identity(k.source, k.cluster_id, k.source_event_id) limit 1) i
    union all
    select true, e.source, e.cluster_id, e.source_event_id, e.id, e.status, encode(e.content_hash, 'hex')
    from k join certificate_lifecycle_events e
      on e.source = k.source and coalesce(e.cluster_id, '') = k.cluster_id and e.source_event_id = k.source_event_id
     and e.source_event_id is not null
    order by here`;
  return rows.map(
    (row) =>
      [
        identityOf(row.source, row.cluster_id, row.source_event_id) ?? '',
        { id: row.id, status: row.status, hash: row.content_hash },
      ] as const,
  );
};
