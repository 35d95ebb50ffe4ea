import type { LockedDomain, PendingEvent } from '../lifecycle/decide.ts';
import type { CurrentIncident } from '../lifecycle/incidents.ts';
import type { EventStatus, LedgerEvent } from '../lifecycle/types.ts';
import type { Db, Tx } from './client.ts';

/** Which events a run may touch: a group only those that have not left it, a single job only its own generation. */
export type ApplyScope =
  | { readonly kind: 'group'; readonly ids: readonly string[] }
  | { readonly kind: 'event'; readonly id: string; readonly generation: number };

export interface Loaded {
  readonly domains: readonly LockedDomain[];
  readonly events: readonly PendingEvent[];
  readonly incidents: ReadonlyMap<string, readonly CurrentIncident[]>;
}

const ms = (tx: Tx, column: string) => tx`(extract(epoch from ${tx(column)}) * 1000)::float8`;

const scopeOf = (tx: Tx, scope: ApplyScope) =>
  scope.kind === 'group'
    ? tx`e.id = any(${[...scope.ids]}::uuid[]) and e.status = 'pending' and e.retry_count = 0 and e.generation = 0`
    : tx`e.id = ${scope.id} and e.status = 'pending' and e.generation = ${scope.generation}`;

// An array, not a join: the planner then always looks each name up, however few domains it believes there are.
const namesOf = (tx: Tx, scope: ApplyScope) =>
  tx`array(select e.domain from certificate_lifecycle_events e where ${scopeOf(tx, scope)})`;

const eventColumns = (tx: Tx) => tx`
  e.id, e.source, e.cluster_id as "clusterId", e.source_event_id as "sourceEventId", e.event_type as "eventType",
  ${ms(tx, 'e.occurred_at')} as "occurredAt", e.certificate_ref as "certificateRef", ${ms(tx, 'e.not_before')} as "notBefore",
  ${ms(tx, 'e.not_after')} as "notAfter", ${ms(tx, 'e.renewal_due_at')} as "renewalDueAt", e.reason,
  e.callback_class as "callbackClass", e.callback_action as "callbackAction", e.callback_attempt as "callbackAttempt"`;

/** A domain as the core takes it, from a row of `custom_domains d`; shared by all that decide under its lock. */
export const lockedColumns = (tx: Tx) => tx`
  d.id, d.domain, d.org_id as "orgId",
  json_build_object('tlsMode', d.tls_mode, 'routed', d.target_tunnel_id is not null, 'verified', d.verified,
    'failurePolicy', d.cert_failure_policy, 'expiryWarnPercent', d.expiry_warn_percent) as settings,
  json_build_object(
    'lastEventId', d.cert_last_event_id, 'lastEventType', d.cert_last_event_type, 'lastEventAt', ${ms(tx, 'd.cert_last_event_at')},
    'certificateRef', case when not d.certificate_filled then d.certificate_ref end,
    'notBefore', case when not d.certificate_filled then ${ms(tx, 'd.tls_not_before')} end,
    'notAfter', case when not d.certificate_filled then ${ms(tx, 'd.tls_not_after')} end,
    'renewalDueAt', ${ms(tx, 'd.cert_renewal_due_at')}, 'dueCurrent', d.cert_due_current,
    'lastSuccessAt', ${ms(tx, 'd.cert_last_success_at')}, 'error', d.cert_last_error,
    'failureCount', d.cert_failure_count, 'lastFailureAt', ${ms(tx, 'd.cert_last_failure_at')}) as state,
  json_build_object('certificateRef', d.observed_certificate_ref, 'notBefore', ${ms(tx, 'd.observed_not_before')},
    'notAfter', ${ms(tx, 'd.observed_not_after')}, 'fault', d.tls_fault, 'faultError', d.tls_fault_error,
    'checkedAt', ${ms(tx, 'd.tls_last_checked_at')}) as served,
  case when d.ari_window_end is not null then
    json_build_object('certificateRef', d.ari_certificate_ref, 'endsAt', ${ms(tx, 'd.ari_window_end')}) end as window,
  json_build_object('tlsStatus', d.tls_status, 'alerting', d.alerting, 'lookDueAt', ${ms(tx, 'd.look_due_at')}, 'probeDueAt', ${ms(tx, 'd.probe_due_at')},
    'probeChecks', d.probe_checks) as clocks`;

const lockDomains = (tx: Tx, scope: ApplyScope) => tx<LockedDomain[]>`
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
    // a plan that is kept must not be one that was made for an empty table.
    tx`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)`,
    lockDomains(tx, scope),
    lockEvents(tx, scope),
    liveIncidents(tx, scope),
  ]);
  const incidents = new Map<string, CurrentIncident[]>();
  for (const row of incidentRows) incidents.set(row.domain, [...(incidents.get(row.domain) ?? []), row]);
  return { domains, events, incidents };
};

/** The applied events of these domains, by domain id, for a fold from the ledger. */
export const loadHistory = async (
  tx: Tx,
  domains: readonly LockedDomain[],
): Promise<ReadonlyMap<string, readonly LedgerEvent[]>> => {
  const history = new Map<string, LedgerEvent[]>();
  if (domains.length === 0) return history;
  const rows = await tx<(LedgerEvent & { domainId: string })[]>`
    select ${eventColumns(tx)}, e.domain_id as "domainId" from certificate_lifecycle_events e
    where e.domain = any(${domains.map(({ domain }) => domain)}::text[]) and e.domain_id = any(${domains.map(({ id }) => id)}::uuid[])
      and e.status = 'applied'`;
  for (const row of rows) {
    const known = history.get(row.domainId);
    if (known === undefined) history.set(row.domainId, [row]);
    else known.push(row);
  }
  return history;
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
