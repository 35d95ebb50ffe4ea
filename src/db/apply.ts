import type { LockedDomain, PendingEvent, Refold } from '../lifecycle/decide.ts';
import type { CurrentIncident } from '../lifecycle/incidents.ts';
import type { EventStatus, LedgerEvent } from '../lifecycle/types.ts';
import type { Db, Tx } from './client.ts';
import { ms } from './epoch.ts';
import { lockedColumns, lockedDomain, type LockedRow } from './locked-domain.ts';

/** Which events a run may touch: a group only those that have not left it, a single job only its own generation. */
export type ApplyScope =
  | { readonly kind: 'group'; readonly ids: readonly string[] }
  | { readonly kind: 'opened'; readonly ids: readonly string[]; readonly generation: number }
  | { readonly kind: 'event'; readonly id: string; readonly generation: number };

export interface Loaded {
  readonly domains: readonly LockedDomain[];
  readonly events: readonly PendingEvent[];
  readonly incidents: ReadonlyMap<string, readonly CurrentIncident[]>;
}

const scopeOf = (tx: Tx, scope: ApplyScope) => {
  switch (scope.kind) {
    case 'group':
      return tx`e.id = any(${[...scope.ids]}::uuid[]) and e.status = 'pending' and e.retry_count = 0 and e.generation = 0`;
    case 'opened':
      // A replay leaves no time for a next try; a failed one of this generation sets it.
      return tx`e.id = any(${[...scope.ids]}::uuid[]) and e.status = 'pending' and e.generation = ${scope.generation} and e.next_retry_at is null`;
    case 'event':
      return tx`e.id = ${scope.id} and e.status = 'pending' and e.generation = ${scope.generation}`;
  }
};

// An array, not a join: the planner then always looks each name up, however few domains it believes there are.
const namesOf = (tx: Tx, scope: ApplyScope) =>
  tx`array(select e.domain from certificate_lifecycle_events e where ${scopeOf(tx, scope)})`;

const eventColumns = (tx: Tx) => tx`
  e.id, e.source, e.cluster_id as "clusterId", e.source_event_id as "sourceEventId", e.event_type as "eventType",
  ${ms(tx, 'e.occurred_at')} as "occurredAt", e.certificate_ref as "certificateRef", ${ms(tx, 'e.not_before')} as "notBefore",
  ${ms(tx, 'e.not_after')} as "notAfter", ${ms(tx, 'e.renewal_due_at')} as "renewalDueAt", e.reason,
  e.callback_class as "callbackClass", e.callback_action as "callbackAction", e.callback_attempt as "callbackAttempt"`;

const lockDomains = (tx: Tx, scope: ApplyScope) => tx<LockedRow[]>`
  select ${lockedColumns(tx)}
  from custom_domains d
  where d.domain = any(${namesOf(tx, scope)})
  order by d.id for update of d`;

const lockEvents = (tx: Tx, scope: ApplyScope) => tx<PendingEvent[]>`
  select ${eventColumns(tx)}, e.domain, e.retry_count as "retryCount", e.generation, ${ms(tx, 'e.created_at')} as "receivedAt"
  from certificate_lifecycle_events e where ${scopeOf(tx, scope)} order by e.id for update of e`;

interface IncidentRow extends CurrentIncident {
  readonly domain: string;
}

const liveIncidents = (tx: Tx, scope: ApplyScope) => tx<IncidentRow[]>`
  select i.id, i.domain, i.incident_type as type, i.tier, i.status, i.reason, i.context
  from certificate_incidents i
  where i.status <> 'resolved'
    and i.domain = any(${namesOf(tx, scope)})
  order by i.id for update of i`;

/**
 * Locks the domains of the scope in id order, then reads its events as they stand behind those locks: an event that
 * another run has applied meanwhile is no longer among them. That is the guard of "at most once".
 */
export const loadForApply = async (tx: Tx, scope: ApplyScope): Promise<Loaded> => {
  // Sent together, run one after the other: each statement sees what was committed when the one before had its locks.
  const [, domains, events, incidentRows] = await Promise.all([
    // Every statement of the transaction looks rows up by key. Planning it anew for each array costs more than running it, and
    // a plan that is kept must not be one that was made for an empty table: of a domain with many events, a bitmap reads them
    // all and sorts them, where the index gives the latest few.
    tx`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
      set_config('enable_bitmapscan', 'off', true)`,
    lockDomains(tx, scope),
    lockEvents(tx, scope),
    liveIncidents(tx, scope),
  ]);
  const incidents = new Map<string, CurrentIncident[]>();
  for (const row of incidentRows) incidents.set(row.domain, [...(incidents.get(row.domain) ?? []), row]);
  return { domains: domains.map(lockedDomain), events, incidents };
};

// How far back a success that says all is looked for among the domain's rows: most often it is among the last few.
const [looksBackFirst, looksBack] = [40, 500];
// What an event's own time may be ahead of its receipt, of which the id tells; those with more are in `cert_events_ahead`.
const aheadMs = 5000;

/** The last success that says all and came before the late events of `l`, among so many of the domain's latest rows. */
const lastSuccess = (tx: Tx, rows: number) => tx`
  select r.id, r.occurred_at
  from (
    select n.id, n.occurred_at, n.status, n.domain_id, n.event_type, n.certificate_ref, n.not_after, n.renewal_due_at
    from certificate_lifecycle_events n where n.domain = l.domain and n.id <= l.last_id order by n.id desc limit ${rows}
  ) r
  where r.status = 'applied' and r.domain_id = l.id and r.event_type in ('issuance_succeeded', 'renewal_succeeded')
    and r.certificate_ref is not null and r.not_after is not null and r.renewal_due_at is not null
    and (r.occurred_at, r.id) < (to_timestamp(l.first_at / 1000), l.first_id)
  order by r.occurred_at desc, r.id desc limit 1`;

/**
 * The applied events of these domains, by domain id, that a fold of late events needs: those from a success on that says
 * all (see `saysAll`) and came before the late ones, or where none is near, all.
 */
export const loadHistory = async (
  tx: Tx,
  refolds: readonly Refold[],
): Promise<ReadonlyMap<string, readonly LedgerEvent[]>> => {
  if (refolds.length === 0) return new Map<string, LedgerEvent[]>();
  // One after the other, whatever the planner believes: where to begin, once for each domain, and only then what came since.
  const rows = await tx<(LedgerEvent & { domainId: string })[]>`
    with begins as materialized (
      select l.id, l.domain, s.occurred_at as full_at, s.id as full_id,
        rpad(lpad(to_hex(greatest(0, (extract(epoch from s.occurred_at) * 1000)::bigint - ${aheadMs}::bigint)), 12, '0'), 32, '0')::uuid
          as first_received
      from unnest(${refolds.map(({ id }) => id)}::uuid[], ${refolds.map(({ domain }) => domain)}::text[],
                  ${refolds.map(({ lastEventId }) => lastEventId)}::uuid[], ${refolds.map(({ first }) => first.id)}::uuid[],
                  ${refolds.map(({ first }) => first.occurredAt)}::float8[]) as l(id, domain, last_id, first_id, first_at)
      left join lateral (
        with near as materialized (${lastSuccess(tx, looksBackFirst)})
        select * from near
        union all
        select * from (${lastSuccess(tx, looksBack)}) far where not exists (select from near)
      ) s on true
    )
    select ${eventColumns(tx)}, e.domain_id as "domainId"
    from begins b cross join lateral (
      (select * from certificate_lifecycle_events h
      where h.domain = b.domain and h.id >= b.first_received and h.domain_id = b.id and h.status = 'applied'
        and (b.full_id is null or (h.occurred_at, h.id) >= (b.full_at, b.full_id))
      offset 0)
      union all
      (select * from certificate_lifecycle_events a
      where a.domain = b.domain and a.occurred_at >= b.full_at and a.occurred_at - a.created_at > interval '5 seconds'
        and coalesce(a.id < b.first_received, false) and a.domain_id = b.id and a.status = 'applied'
        and (a.occurred_at, a.id) >= (b.full_at, b.full_id)
      offset 0)
    ) e`;
  return Map.groupBy(rows, ({ domainId }) => domainId);
};

export interface EventPosition {
  readonly status: EventStatus;
  readonly generation: number;
  readonly retry_count: number;
  readonly last_error: string | null;
}

/** Where one event stands; null when there is none. */
export const eventPosition = async ({ sql }: Db, id: string): Promise<EventPosition | null> => {
  const [row] = await sql<EventPosition[]>`
    select status, generation, retry_count, last_error from certificate_lifecycle_events where id = ${id}`;
  return row ?? null;
};
