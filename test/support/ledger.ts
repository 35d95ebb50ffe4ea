import postgres from 'postgres';
import { foldHistory } from '../../src/lifecycle/fold.ts';
import { type DomainSettings, neverServed } from '../../src/lifecycle/status.ts';
import type { LedgerEvent } from '../../src/lifecycle/types.ts';
import { viewOf } from '../../src/lifecycle/view.ts';
import { waitFor } from './wait.ts';

export type Sql = postgres.Sql;

const epoch = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

/**
 * Looks at the ledger from outside the product. From now on the database itself notes every time an event is written as
 * applied, so that a second application is seen although it would leave the same state behind.
 */
export const openLedger = async (url: string): Promise<Sql> => {
  const sql = postgres(url, { max: 4, onnotice: () => undefined, connection: { application_name: 'checker' } });
  await sql.unsafe(`
    create table noted_applications (event_id uuid not null, generation int not null, at timestamptz not null default clock_timestamp());
    create function note_application() returns trigger language plpgsql security definer as $$
      begin insert into noted_applications (event_id, generation) values (new.id, new.generation); return null; end $$;
    create trigger note_application after update of status on certificate_lifecycle_events
      for each row when (new.status = 'applied') execute function note_application();`);
  return sql;
};

/** Waits until no event is pending. */
export const untilSettled = (sql: Sql, timeoutMs = 30_000): Promise<unknown> =>
  waitFor(
    async () => {
      const [row] = await sql<
        { n: number }[]
      >`select count(*)::int as n from certificate_lifecycle_events where status = 'pending'`;
      if (row?.n !== 0) throw new Error(`${row?.n} events are pending`);
      return true;
    },
    { timeoutMs, intervalMs: 100, what: 'every event to be settled' },
  );

/** Waits until this event is applied, and gives the moment it was (`performance.now()`). */
export const untilApplied = (sql: Sql, id: string, timeoutMs = 20_000): Promise<number> =>
  waitFor(
    async () => {
      const [row] = await sql<{ status: string }[]>`select status from certificate_lifecycle_events where id = ${id}`;
      if (row?.status !== 'applied') throw new Error(`the event is ${row?.status}`);
      return performance.now();
    },
    { timeoutMs, what: `event ${id} to be applied` },
  );

type AppliedRow = LedgerEvent & { readonly domain: string };

const appliedEvents = (sql: Sql): Promise<AppliedRow[]> =>
  sql.unsafe<AppliedRow[]>(`
    select id, source, cluster_id as "clusterId", source_event_id as "sourceEventId", domain, event_type as "eventType",
      ${epoch('occurred_at')} as "occurredAt", certificate_ref as "certificateRef", ${epoch('not_before')} as "notBefore",
      ${epoch('not_after')} as "notAfter", ${epoch('renewal_due_at')} as "renewalDueAt", reason,
      callback_class as "callbackClass", callback_action as "callbackAction", callback_attempt as "callbackAttempt"
    from certificate_lifecycle_events where status = 'applied'`);

interface DomainRow {
  readonly domain: string;
  readonly settings: DomainSettings;
  readonly state: Readonly<Record<string, unknown>>;
}

const domainRows = (sql: Sql): Promise<DomainRow[]> =>
  sql.unsafe<DomainRow[]>(`
    select domain, json_build_object('tlsMode', tls_mode, 'routed', target_tunnel_id is not null, 'verified', verified,
        'failurePolicy', cert_failure_policy, 'expiryWarnPercent', expiry_warn_percent) as settings,
      json_build_object('lastEventId', cert_last_event_id, 'lastEventType', cert_last_event_type,
        'lastEventAt', ${epoch('cert_last_event_at')}, 'certificateRef', certificate_ref, 'notBefore', ${epoch('tls_not_before')},
        'notAfter', ${epoch('tls_not_after')}, 'renewalDueAt', ${epoch('cert_renewal_due_at')}, 'error', cert_last_error,
        'dueCurrent', cert_due_current, 'lastSuccessAt', ${epoch('cert_last_success_at')},
        'failureCount', cert_failure_count, 'lastFailureAt', ${epoch('cert_last_failure_at')}, 'tlsStatus', tls_status,
        'backoffSeconds', cert_retry_backoff_seconds, 'nextRetryAt', ${epoch('cert_next_retry_at')}) as state
    from custom_domains`);

interface OpenIncident {
  readonly domain: string;
  readonly type: string;
  readonly tier: number;
}

/** Incidents that events raise; those of looks follow from what is served. */
const openIncidents = (sql: Sql): Promise<OpenIncident[]> =>
  sql<OpenIncident[]>`
    select domain, incident_type as type, tier from certificate_incidents
    where status <> 'resolved' and incident_type in ('issuance_failed', 'renewal_failed', 'certificate_expiring') order by 1, 2`;

/** One thing that is not as it must be. */
export interface Flaw {
  readonly flaw: string;
  readonly [detail: string]: unknown;
}

const flaws = (flaw: string, rows: Iterable<object>): Flaw[] => [...rows].map((row) => ({ ...row, flaw }));

const wrongCounts = (sql: Sql) =>
  sql.unsafe(`
    select 'events' as of, jsonb_build_array(org_id, source, cluster_id, event_type, status, error_class, resolved) as key, sum(n)::int as surplus
    from (
      select org_id, source, cluster_id, event_type, status, error_class, resolved, n from event_counts
      union all
      select org_id, source, cluster_id, event_type, status, error_class, domain_id is not null, -1 from certificate_lifecycle_events
    ) as c group by 2 having sum(n) <> 0
    union all
    select 'domains', jsonb_build_array(org_id, region, tls_status), sum(n)::int from (
      select org_id, region, tls_status, n from domain_counts
      union all select org_id, region, tls_status, -1 from custom_domains
    ) as c group by 2 having sum(n) <> 0`);

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/**
 * Domains whose state or open incidents are not what one fold over the whole ledger gives.
 *
 * @param view how a row follows from the state: as events leave it, or as the sweep does after them
 */
export const unfolded = async (sql: Sql, view: typeof viewOf = viewOf): Promise<Flaw[]> => {
  const byDomain = Map.groupBy(await appliedEvents(sql), ({ domain }) => domain);
  const incidents = Map.groupBy(await openIncidents(sql), ({ domain }) => domain);
  return (await domainRows(sql)).flatMap(({ domain, state, settings }) => {
    const events = byDomain.get(domain);
    if (events === undefined) return [];
    const folded = foldHistory(events);
    const open = [...folded.open.values()].map(({ type, tier }) => ({ domain, type, tier }));
    const { tlsStatus, backoffSeconds, nextRetryAt } = view(
      { settings, state: folded.state, served: neverServed },
      null,
      Date.now(),
      30,
    );
    const expected = {
      ...folded.state,
      tlsStatus,
      backoffSeconds,
      nextRetryAt,
      incidents: open.toSorted((a, b) => (a.type < b.type ? -1 : 1)),
    };
    const found = { ...state, incidents: incidents.get(domain) ?? [] };
    return canonical(found) === canonical(expected)
      ? []
      : [{ flaw: 'not the fold of the ledger', domain, found, expected }];
  });
};

/**
 * What must never be, whatever happened: an accepted event that the ledger does not hold under the id it was given, an
 * event without an end, one applied twice, a domain that is not the fold of the ledger, a count that a recount refutes.
 */
export const flawsOf = async (sql: Sql, acked: ReadonlyMap<string, string> = new Map()): Promise<Flaw[]> => {
  const rows = await sql<{ id: string; identity: string | null; status: string }[]>`
    select id, source_event_id as identity, status from certificate_lifecycle_events`;
  const ids = new Map(rows.map(({ id, identity }) => [identity, id]));
  const lost = [...acked]
    .filter(([identity, id]) => ids.get(identity) !== id)
    .map(([identity, id]) => ({ identity, id }));
  const twice = await sql`
    select event_id, generation, count(*)::int as times from noted_applications group by 1, 2 having count(*) > 1`;
  return [
    ...flaws('accepted, but not in the ledger', lost),
    ...flaws(
      'without an end',
      rows.filter(({ status }) => status === 'pending'),
    ),
    ...flaws('applied more than once', twice),
    ...(await unfolded(sql)),
    ...flaws('a kept count is wrong', await wrongCounts(sql)),
  ];
};

/** How many events have this status. */
export const countOf = async (sql: Sql, status: string): Promise<number> => {
  const [row] = await sql<
    { n: number }[]
  >`select count(*)::int as n from certificate_lifecycle_events where status = ${status}`;
  return row?.n ?? 0;
};
