import type { ReplayFilter } from '../lifecycle/replay.ts';
import type { ErrorClass } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, eq, gte, lt, type SQL, sql } from './drizzle.ts';
import { inTransaction } from './in-transaction.ts';
import { deadLetters } from './schema-replays.ts';
import { firstIdAt } from './uuid-time.ts';

/** Filters of dead letters; `since` (inclusive) and `until` (exclusive) are epoch ms of receipt, as in the ledger. */
export type DeadLetterFilter = Omit<ReplayFilter, 'status' | 'ids'>;

/** A host name itself, or with `*.` in front everything that ends so, names with a wildcard included. */
export const nameIs = (column: SQL, name: string): SQL =>
  name.startsWith('*.') ? sql`right(${column}, ${name.length - 1}) = ${name.slice(1)}` : sql`${column} = ${name}`;

/** The filter as a condition on `dead_letters`. */
export const deadLetterWhere = (filter: DeadLetterFilter): SQL | undefined => {
  const { source, clusterId, orgId, domain, eventType, errorClass, fingerprint, since, until } = filter;
  const t = deadLetters;
  return and(
    source === undefined ? undefined : eq(t.source, source),
    clusterId === undefined ? undefined : eq(t.cluster_id, clusterId),
    orgId === undefined ? undefined : eq(t.org_id, orgId),
    domain === undefined ? undefined : nameIs(sql`${t.domain}`, domain),
    eventType === undefined ? undefined : eq(t.event_type, eventType),
    errorClass === undefined ? undefined : eq(t.error_class, errorClass),
    fingerprint === undefined ? undefined : eq(t.fingerprint, fingerprint),
    since === undefined ? undefined : gte(t.event_id, firstIdAt(since)),
    until === undefined ? undefined : lt(t.event_id, firstIdAt(until)),
  );
};

/** Dead letters of one cause: the same error class, and the same error but for what differs from event to event. */
export interface DeadLetterGroup {
  readonly fingerprint: string;
  readonly error_class: ErrorClass;
  readonly pattern: string;
  readonly events: number;
  readonly domains: number;
  /** Events that were replayed before. */
  readonly replayed_before: number;
  readonly first_failed_at: Date;
  readonly last_failed_at: Date;
  /** Pairs of source and cluster; the first of them by number of events. */
  readonly sources: number;
  readonly first_sources: readonly DeadLetterSource[];
  /** Events given up in each of the last 24 hours, the last one ending now. */
  readonly hours: readonly number[];
  readonly oldest: readonly string[];
}

export interface DeadLetterSource {
  readonly source: string;
  readonly cluster_id: string | null;
  readonly events: number;
}

export interface DeadLetterTotals {
  readonly events: number;
  readonly groups: number;
  readonly domains: number;
  readonly sources: number;
}

/** Where a page of groups ends: how many events its last group has, and which it is. */
export interface GroupPosition {
  readonly events: number;
  readonly fingerprint: string;
}

interface GroupSize {
  readonly fingerprint: string;
  readonly events: number;
}

const readSizes = async (
  { orm }: Db,
  where: SQL | undefined,
  limit: number,
  after: GroupPosition | null,
): Promise<GroupSize[]> => {
  const { fingerprint } = deadLetters;
  const events = sql`count(*)`;
  const below =
    after === null
      ? undefined
      : sql`(${events} < ${after.events} or (${events} = ${after.events} and ${fingerprint} > ${after.fingerprint}))`;
  return orm
    .select({ fingerprint, events: sql<number>`${events}`.mapWith(Number) })
    .from(deadLetters)
    .where(where)
    .groupBy(fingerprint)
    .having(below)
    .orderBy(sql`${events} desc`, fingerprint)
    .limit(limit);
};

const hourMs = 3_600_000;
const hoursShown = 24;
const sourcesNamed = 3;
const oldestNamed = 3;

// Columns of the raw statement; times are epoch ms.
type Detail = Record<string, unknown> & {
  readonly fingerprint: string;
  readonly error_class: ErrorClass;
  readonly pattern: string;
  readonly domains: number;
  readonly replayed_before: number;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly sources: number;
  readonly first_sources: readonly DeadLetterSource[];
  readonly hours: Readonly<Record<string, number>> | null;
  readonly oldest: readonly string[];
};

const epoch = (expression: SQL): SQL => sql`(extract(epoch from ${expression}) * 1000)::float8`;

const detailsOf = async (
  { orm }: Db,
  fingerprints: readonly string[],
  where: SQL | undefined,
  now: number,
): Promise<ReadonlyMap<string, Detail>> => {
  const t = deadLetters;
  const wanted = sql`${t.fingerprint} in ${[...fingerprints]}`;
  const from = now - hoursShown * hourMs;
  const rows = await orm.execute<Detail>(sql`
    with letters as materialized (
      select fingerprint, domain, source, cluster_id, replays, failed_at from ${t} where ${and(wanted, where)}
    ), facts as (
      select fingerprint, count(*) filter (where replays > 0)::int as replayed_before, min(failed_at) as first, max(failed_at) as last
      from letters group by fingerprint
    ), names as (
      select fingerprint, count(*)::int as n from (select fingerprint, domain from letters group by 1, 2) as one group by 1
    ), senders as (
      select fingerprint, count(*)::int as n,
        to_json((array_agg(json_build_object('source', source, 'cluster_id', cluster_id, 'events', events)
          order by events desc, source, cluster_id))[1:${sql.raw(String(sourcesNamed))}]) as first
      from (select fingerprint, source, cluster_id, count(*)::int as events from letters group by 1, 2, 3) as one group by 1
    ), hours as (
      select fingerprint, json_object_agg(hour, events) as events
      from (select fingerprint, floor((${epoch(sql`failed_at`)} - ${from}::float8) / ${hourMs}::float8)::int as hour, count(*)::int as events
            from letters where failed_at >= to_timestamp(${from}::float8 / 1000) group by 1, 2) as one group by 1
    )
    select f.fingerprint, one.error_class, one.pattern, n.n as domains, f.replayed_before, ${epoch(sql`f.first`)} as first_ms,
      ${epoch(sql`f.last`)} as last_ms, s.n as sources, s.first as first_sources, h.events as hours,
      array(select event_id from ${t} where ${t.fingerprint} = f.fingerprint and ${where ?? sql`true`}
            order by event_id limit ${oldestNamed}) as oldest
    from facts f join names n using (fingerprint) join senders s using (fingerprint) left join hours h using (fingerprint)
    cross join lateral (select error_class, pattern from ${t} where ${t.fingerprint} = f.fingerprint limit 1) as one`);
  return new Map(rows.map((row) => [row.fingerprint, row]));
};

const groupOf = ({ fingerprint, events }: GroupSize, detail: Detail): DeadLetterGroup => ({
  fingerprint,
  error_class: detail.error_class,
  pattern: detail.pattern,
  events,
  domains: detail.domains,
  replayed_before: detail.replayed_before,
  first_failed_at: new Date(detail.first_ms),
  last_failed_at: new Date(detail.last_ms),
  sources: detail.sources,
  first_sources: detail.first_sources,
  hours: Array.from({ length: hoursShown }, (_, hour) => detail.hours?.[hour] ?? 0),
  oldest: detail.oldest,
});

/**
 * One page of groups, those with most events first.
 *
 * @param page `after` is where the page before ended, null for the first; `now` (epoch ms) ends the last hour
 * @returns the groups, and where to go on, null on the last page
 */
export const listDeadLetterGroups = (
  outer: Db,
  filter: DeadLetterFilter,
  page: { readonly limit: number; readonly after: GroupPosition | null; readonly now: number },
): Promise<{ groups: DeadLetterGroup[]; next: GroupPosition | null }> =>
  inTransaction(outer, async (db) => {
    // Compiling these statements takes longer than running them, and a hundred thousand letters are sorted in memory.
    await db.orm.execute(sql`select set_config('jit', 'off', true), set_config('work_mem', '32MB', true)`);
    return groupsOf(db, filter, page);
  });

const groupsOf = async (
  db: Db,
  filter: DeadLetterFilter,
  { limit, after, now }: { limit: number; after: GroupPosition | null; now: number },
): Promise<{ groups: DeadLetterGroup[]; next: GroupPosition | null }> => {
  const where = deadLetterWhere(filter);
  const sizes = await readSizes(db, where, limit + 1, after);
  const page = sizes.slice(0, limit);
  if (page.length === 0) return { groups: [], next: null };
  const details = await detailsOf(
    db,
    page.map(({ fingerprint }) => fingerprint),
    where,
    now,
  );
  const groups = page.flatMap((size) => {
    // A group may have gone between the two statements.
    const detail = details.get(size.fingerprint);
    return detail === undefined ? [] : [groupOf(size, detail)];
  });
  return { groups, next: sizes.length > limit ? (page.at(-1) ?? null) : null };
};

/** Totals over all groups that the filter lets through, whatever page is shown. */
export const readDeadLetterTotals = async ({ orm }: Db, filter: DeadLetterFilter): Promise<DeadLetterTotals> => {
  const t = deadLetters;
  const where = deadLetterWhere(filter) ?? sql`true`;
  const [row] = await orm.execute<DeadLetterTotals & Record<string, unknown>>(sql`
    with letters as materialized (select fingerprint, domain, source, cluster_id from ${t} where ${where})
    select (select count(*)::int from letters) as events,
      (select count(*)::int from (select fingerprint from letters group by 1) as one) as groups,
      (select count(*)::int from (select domain from letters group by 1) as one) as domains,
      (select count(*)::int from (select source, cluster_id from letters group by 1, 2) as one) as sources`);
  return row ?? { events: 0, groups: 0, domains: 0, sources: 0 };
};
