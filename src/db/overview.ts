import type { PipeRates, PipeStep } from '../lifecycle/activity.ts';
import type { AttentionFacts, Share, TroubledDomains, UnwellDrift } from '../lifecycle/attention.ts';
import { spikesOf } from '../lifecycle/self-watch.ts';
import { driftStates, type TlsStatus, tlsStatuses } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { ms, msOf } from './epoch.ts';
import { type Expiry, readExpiry } from './expiry.ts';
import { readDay, readFailedTries, readRates } from './pipe-activity.ts';
import { readReplayLoops, readSilentSources } from './self-watch.ts';

type Reader = Pick<Db, 'sql'>;

/** Whose: one organisation's, or everybody's (null); `now` is epoch milliseconds. */
export interface OverviewScope {
  readonly orgId: string | null;
  readonly now: number;
}

// Beyond so many the owners are not worked out: their count would cost more than it tells.
const mostOwned = 1000;
const oldestPending = 500;

interface First {
  readonly domain: string;
  readonly notAfter: number | null;
  readonly error: string | null;
  readonly since: number;
}

const ofOrg = ({ sql }: Reader, column: string, orgId: string | null) =>
  orgId === null ? sql`` : sql`and ${sql(column)} = ${orgId}`;

const troubled = (owners: readonly Share[], first: First | undefined): TroubledDomains => ({
  count: owners.reduce((sum, { count }) => sum + count, 0),
  since: first?.since ?? null,
  first: first ?? null,
  owners,
});

/** The domain whose alert of this class fires for longest. */
const longest = async (db: Reader, noticeClass: string, { orgId }: OverviewScope, drift?: UnwellDrift) => {
  const { sql } = db;
  const [first] = await sql<First[]>`
    select d.domain, ${ms(sql, 'd.tls_not_after')} as "notAfter", d.tls_last_error as error, ${ms(sql, 'a.fired_at')} as since
    from certificate_alerts a join custom_domains d on d.id = a.domain_id
    where a.class = ${noticeClass} ${ofOrg(db, 'd.org_id', orgId)} ${drift === undefined ? sql`` : sql`and d.drift_state = ${drift}`}
    order by a.fired_at limit 1`;
  return first;
};

const readBreaches = async (db: Reader, { orgId, now }: OverviewScope): Promise<TroubledDomains> => {
  const { sql } = db;
  const due = sql`c.renewal_due_at <= to_timestamp(${now} / 1000.0)`;
  const mine = sql`from domain_clocks c join custom_domains d on d.id = c.domain_id where ${due} ${ofOrg(db, 'd.org_id', orgId)}`;
  const [[counted], [first], owners] = await Promise.all([
    orgId === null
      ? sql<{ n: number }[]>`select count(*)::int as n from domain_clocks c where ${due}`
      : sql<{ n: number }[]>`select count(*)::int as n ${mine}`,
    sql<First[]>`
      select d.domain, ${ms(sql, 'd.tls_not_after')} as "notAfter", d.tls_last_error as error, ${ms(sql, 'c.renewal_due_at')} as since
      ${mine} order by c.renewal_due_at limit 1`,
    sql<Share[]>`
      select org_id as name, count(*)::int as count
      from (select d.org_id ${mine} order by c.renewal_due_at limit ${mostOwned + 1}) due group by 1 order by 2 desc, 1`,
  ]);
  const known = owners.reduce((sum, { count }) => sum + count, 0) <= mostOwned;
  return {
    count: counted?.n ?? 0,
    since: first?.since ?? null,
    first: first ?? null,
    owners: known ? owners : [],
  };
};

interface DomainCount {
  readonly status: TlsStatus;
  readonly drift: string | null;
  readonly name: string | null;
  readonly count: number;
}

const sumBy = (rows: readonly DomainCount[]): Share[] => {
  const sums = new Map<string | null, number>();
  for (const { name, count } of rows) sums.set(name, (sums.get(name) ?? 0) + count);
  return [...sums]
    .map(([name, count]) => ({ name, count }))
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count || String(a.name).localeCompare(String(b.name)));
};

/** Kept counts by status, drift and, for what is wrong, owner. */
const readDomainCounts = async (db: Reader, { orgId }: OverviewScope) => {
  const rows = await db.sql<DomainCount[]>`
    select tls_status as status, nullif(drift_state, 'in_step') as drift,
      case when tls_status = 'tls_error' or drift_state <> 'in_step' then org_id end as name, sum(n)::float8 as count
    from domain_counts where true ${ofOrg(db, 'org_id', orgId)} group by 1, 2, 3`;
  const sum = (wanted: (row: DomainCount) => boolean): number =>
    rows.reduce((total, row) => (wanted(row) ? total + row.count : total), 0);
  return {
    byStatus: Object.fromEntries(tlsStatuses.map((status) => [status, sum((row) => row.status === status)])),
    total: sum(() => true),
    drift: sum(({ drift }) => drift !== null),
    tlsErrorOwners: sumBy(rows.filter(({ status }) => status === 'tls_error')),
    driftOwners: (state: UnwellDrift) => sumBy(rows.filter(({ drift }) => drift === state)),
  };
};

const isUnwell = (state: string): state is UnwellDrift => state !== 'in_step';

const readEventCounts = async (db: Reader, { orgId }: OverviewScope) => {
  const { sql } = db;
  const mine = ofOrg(db, 'org_id', orgId);
  const [[counts], sources] = await Promise.all([
    sql<{ pending: number; retrying: number; failed: number }[]>`
      select coalesce(sum(n) filter (where status = 'pending'), 0)::float8 as pending,
        coalesce(sum(n) filter (where status = 'pending' and error_class is not null), 0)::float8 as retrying,
        coalesce(sum(n) filter (where status = 'failed'), 0)::float8 as failed
      from event_counts where true ${mine}`,
    sql<Share[]>`
      select source || coalesce(':' || cluster_id, '') as name, sum(n)::float8 as count
      from event_counts where status = 'failed' ${mine} group by 1 having sum(n) > 0 order by 2 desc, 1 limit 1000`,
  ]);
  return { ...(counts ?? { pending: 0, retrying: 0, failed: 0 }), sources };
};

const readDeadLetters = async (db: Reader, { orgId }: OverviewScope) => {
  const { sql } = db;
  const mine = sql`from dead_letters where true ${ofOrg(db, 'org_id', orgId)}`;
  const [[oldest], [largest]] = await Promise.all([
    sql<{ since: number }[]>`select ${ms(sql, 'failed_at')} as since ${mine} order by failed_at limit 1`,
    sql<{ groups: number; count: number; errorClass: string; pattern: string }[]>`
      select g.groups, g.n as count, d.error_class as "errorClass", d.pattern
      from (
        select fingerprint, count(*)::int as n, (count(*) over ())::int as groups ${mine}
        group by fingerprint order by n desc, fingerprint limit 1) g
      cross join lateral (select error_class, pattern from dead_letters where fingerprint = g.fingerprint limit 1) d`,
  ]);
  return { since: oldest?.since ?? null, groups: largest?.groups ?? 0, largest: largest ?? null };
};

const readDeadNotices = async (db: Reader, { orgId }: OverviewScope): Promise<AttentionFacts['notices']> => {
  const { sql } = db;
  const rows = await sql<(Share & { since: number })[]>`
    select channel as name, count(*)::int as count, ${msOf(sql, sql`min(created_at)`)} as since
    from certificate_notifications where status = 'dead' ${ofOrg(db, 'org_id', orgId)} group by 1 order by 2 desc, 1`;
  return {
    count: rows.reduce((sum, { count }) => sum + count, 0),
    since: rows.length === 0 ? null : Math.min(...rows.map(({ since }) => since)),
    channels: rows.map(({ name, count }) => ({ name, count })),
  };
};

/** When the event that waits longest should have been tried; of those that were received first. */
const readOverdue = async ({ sql }: Reader): Promise<{ overdueSince: number | null; oldestAt: number | null }> => {
  const [row] = await sql<{ overdueSince: number | null; oldestAt: number | null }[]>`
    select (extract(epoch from min(coalesce(e.next_retry_at, e.updated_at))) * 1000)::float8 as "overdueSince",
      (extract(epoch from min(e.created_at)) * 1000)::float8 as "oldestAt"
    from (select event_id from unfinished_events where status = 'pending' order by event_id limit ${oldestPending}) u
    join certificate_lifecycle_events e on e.id = u.event_id`;
  return row ?? { overdueSince: null, oldestAt: null };
};

const countSources = async ({ sql }: Reader): Promise<number> => {
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from cert_sources`;
  return row?.n ?? 0;
};

/** What the overview is made of. What spans organisations is null for one of them. */
export interface OverviewFacts {
  readonly attention: AttentionFacts;
  readonly domains: {
    readonly total: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly drift: number;
  };
  readonly events: {
    readonly pending: number;
    readonly retrying: number;
    readonly failed: number;
    readonly oldestPendingAt: number | null;
  };
  readonly sources: number | null;
  readonly now: PipeRates | null;
  readonly day: readonly PipeStep[] | null;
  readonly expiry: Expiry;
}

/** What only those may know who see all organisations. */
const readShared = async (db: Reader, { now }: OverviewScope) => {
  const [silent, overdue, tries, sources, rates, day] = await Promise.all([
    readSilentSources(db, now),
    readOverdue(db),
    readFailedTries(db, now),
    countSources(db),
    readRates(db, now),
    readDay(db, now),
  ]);
  return { silent, overdue, spikes: spikesOf(tries), sources, rates, day };
};

/** Reads all that the overview shows: kept counts and short index ranges, however many domains and events there are. */
export const readOverview = async (db: Reader, scope: OverviewScope): Promise<OverviewFacts> => {
  const states = driftStates.filter(isUnwell);
  const [domains, events, breach, tlsError, drifts, letters, notices, loops, expiry, shared] = await Promise.all([
    readDomainCounts(db, scope),
    readEventCounts(db, scope),
    readBreaches(db, scope),
    longest(db, 'tls_error', scope),
    Promise.all(states.map(async (state) => ({ state, first: await longest(db, 'drift', scope, state) }))),
    readDeadLetters(db, scope),
    readDeadNotices(db, scope),
    readReplayLoops(db, scope.orgId),
    readExpiry(db, scope.orgId, scope.now),
    scope.orgId === null ? readShared(db, scope) : null,
  ]);
  const { pending, retrying, failed, sources } = events;
  return {
    attention: {
      breach,
      tlsError: troubled(domains.tlsErrorOwners, tlsError),
      drift: drifts.map(({ state, first }) => ({ state, ...troubled(domains.driftOwners(state), first) })),
      deadLetters: { count: failed, sources, ...letters },
      notices,
      loops,
      silent: shared?.silent ?? null,
      queue: shared === null ? null : { pending, overdueSince: shared.overdue.overdueSince },
      spikes: shared?.spikes ?? null,
    },
    domains: { total: domains.total, byStatus: domains.byStatus, drift: domains.drift },
    events: { pending, retrying, failed, oldestPendingAt: shared?.overdue.oldestAt ?? null },
    sources: shared?.sources ?? null,
    now: shared?.rates ?? null,
    day: shared?.day ?? null,
    expiry,
  };
};
