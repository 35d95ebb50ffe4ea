import postgres from 'postgres';
import { expect } from 'vitest';
import { foldHistory, viewOf } from '../../src/lifecycle/fold.ts';
import type { LedgerEvent } from '../../src/lifecycle/types.ts';
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
    create function note_application() returns trigger language plpgsql as $$
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
  readonly tlsMode: 'termination' | 'passthrough';
  readonly routed: boolean;
  readonly failurePolicy: 'standard' | 'strict' | 'hold';
  readonly state: Readonly<Record<string, unknown>>;
}

const domainRows = (sql: Sql): Promise<DomainRow[]> =>
  sql.unsafe<DomainRow[]>(`
    select domain, tls_mode as "tlsMode", target_tunnel_id is not null as routed, cert_failure_policy as "failurePolicy",
      json_build_object('lastEventId', cert_last_event_id, 'lastEventType', cert_last_event_type,
        'lastEventAt', ${epoch('cert_last_event_at')}, 'certificateRef', certificate_ref, 'notBefore', ${epoch('tls_not_before')},
        'notAfter', ${epoch('tls_not_after')}, 'renewalDueAt', ${epoch('cert_renewal_due_at')}, 'error', tls_last_error,
        'failureCount', cert_failure_count, 'lastFailureAt', ${epoch('cert_last_failure_at')}, 'tlsStatus', tls_status,
        'backoffSeconds', cert_retry_backoff_seconds, 'nextRetryAt', ${epoch('cert_next_retry_at')}) as state
    from custom_domains`);

interface OpenIncident {
  readonly domain: string;
  readonly type: string;
  readonly tier: number;
}

const openIncidents = (sql: Sql): Promise<OpenIncident[]> =>
  sql<
    OpenIncident[]
  >`select domain, incident_type as type, tier from certificate_incidents where status <> 'resolved' order by 1, 2`;

/** The kept counts of events and of domains hold what a recount finds. */
export const expectCounts = async (sql: Sql): Promise<void> => {
  const wrong = await sql.unsafe(`
    (select 'event' as kind, to_jsonb(k) as key, sum(n)::int as difference from (
      select org_id, source, cluster_id, event_type, status, error_class, resolved, n from event_counts
      union all
      select org_id, source, cluster_id, event_type, status, error_class, domain_id is not null, -1 from certificate_lifecycle_events
    ) as c(org_id, source, cluster_id, event_type, status, error_class, resolved, n),
    lateral (select c.org_id, c.source, c.cluster_id, c.event_type, c.status, c.error_class, c.resolved) k group by 2 having sum(n) <> 0)
    union all
    (select 'domain', to_jsonb(k), sum(n)::int from (
      select org_id, region, tls_status, n from domain_counts
      union all select org_id, region, tls_status, -1 from custom_domains
    ) as c(org_id, region, tls_status, n), lateral (select c.org_id, c.region, c.tls_status) k group by 2 having sum(n) <> 0)`);
  expect([...wrong], 'kept counts that differ from a recount').toEqual([]);
};

/** State and incidents of every domain are what one fold over the whole ledger gives. */
export const expectFolded = async (sql: Sql): Promise<void> => {
  const byDomain = Map.groupBy(await appliedEvents(sql), ({ domain }) => domain);
  const expected: Record<string, unknown> = {};
  const found: Record<string, unknown> = {};
  const incidents = Map.groupBy(await openIncidents(sql), ({ domain }) => domain);
  for (const { domain, state, ...settings } of await domainRows(sql)) {
    const events = byDomain.get(domain);
    if (events === undefined) continue;
    const folded = foldHistory(events);
    expected[domain] = {
      ...folded.state,
      ...viewOf(settings, folded.state, Date.now(), 30),
      incidents: [...folded.open.values()]
        .map(({ type, tier }) => ({ domain, type, tier }))
        .toSorted((a, b) => (a.type < b.type ? -1 : 1)),
    };
    found[domain] = { ...state, incidents: incidents.get(domain) ?? [] };
  }
  expect(found).toEqual(expected);
};

export interface LedgerFacts {
  readonly accepted: number;
  readonly applied: number;
  readonly failed: number;
}

/**
 * What must hold after anything: every accepted event is in the ledger once under the id it was given, has come to an
 * end, was applied once at most, and the state of all domains is the fold of the ledger.
 */
export const expectSound = async (sql: Sql, acked: ReadonlyMap<string, string> = new Map()): Promise<LedgerFacts> => {
  const rows = await sql<{ id: string; identity: string | null; status: string }[]>`
    select id, source_event_id as identity, status from certificate_lifecycle_events`;
  const ids = new Map(rows.map(({ id, identity }) => [identity, id]));
  const lost = [...acked].filter(([identity, id]) => ids.get(identity) !== id);
  expect(lost, 'accepted events that the ledger does not know under their id').toEqual([]);
  expect(
    rows.filter(({ status }) => status === 'pending'),
    'events without an end',
  ).toEqual([]);
  const again = await sql`
    select event_id, count(*)::int as times from noted_applications group by event_id, generation having count(*) > 1`;
  expect([...again], 'events applied more than once').toEqual([]);
  await expectFolded(sql);
  await expectCounts(sql);
  const count = (status: string): number => rows.filter((row) => row.status === status).length;
  return { accepted: acked.size, applied: count('applied'), failed: count('failed') };
};
