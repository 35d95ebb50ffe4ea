import type { ErrorClass, EventStatus, EventType } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, asc, desc, eq, getTableColumns, gte, isNotNull, isNull, lt, or, type SQL, sql } from './drizzle.ts';
import { eventCounts, eventHours, unfinishedEvents } from './schema-counts.ts';
import { customDomains, eventAttempts, eventReplays, events, incidents } from './schema.ts';
import { firstIdAt } from './uuid-time.ts';

/** Filters of the ledger; `since` (inclusive) and `until` (exclusive) are epoch milliseconds of receipt. */
export interface EventFilter {
  readonly status?: EventStatus | undefined;
  readonly source?: string | undefined;
  readonly clusterId?: string | undefined;
  readonly orgId?: string | undefined;
  readonly domain?: string | undefined;
  readonly eventType?: EventType | undefined;
  readonly errorClass?: ErrorClass | undefined;
  readonly unresolved?: boolean | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

export interface EventStats {
  readonly pending: number;
  readonly applied: number;
  readonly failed: number;
  readonly unresolved: number;
}

const { content_hash: _hash, group_id: _group, ...columns } = getTableColumns(events);

/** An event as callers see it: every column but those of the machinery. */
export type EventRow = Omit<typeof events.$inferSelect, 'content_hash' | 'group_id'>;

/** Rows a page asks for beyond its limit, to know whether another page follows. */
const peek = 1;

const statusIs = (status: EventStatus): SQL => eq(events.status, status);

/** The ids of the events in a status; those that are applied are nearly all, and need no list. */
const listedAs = (status: EventStatus): SQL[] =>
  status === 'applied'
    ? []
    : [sql`${events.id} in (select event_id from ${unfinishedEvents} where ${eq(unfinishedEvents.status, status)})`];

const inTime = ({ since, until }: EventFilter): SQL[] => [
  ...(since === undefined ? [] : [gte(events.id, firstIdAt(since))]),
  ...(until === undefined ? [] : [lt(events.id, firstIdAt(until))]),
];

const conditions = (filter: EventFilter): SQL[] => {
  const { status, source, clusterId, orgId, domain, eventType, errorClass, unresolved } = filter;
  return [
    ...(status === undefined ? [] : [statusIs(status), ...listedAs(status)]),
    ...(source === undefined ? [] : [eq(events.source, source)]),
    ...(clusterId === undefined ? [] : [eq(events.cluster_id, clusterId)]),
    ...(orgId === undefined ? [] : [eq(events.org_id, orgId)]),
    ...(domain === undefined ? [] : [eq(events.domain, domain)]),
    ...(eventType === undefined ? [] : [eq(events.event_type, eventType)]),
    ...(errorClass === undefined ? [] : [eq(events.error_class, errorClass)]),
    ...(unresolved === undefined ? [] : [unresolved ? isNull(events.domain_id) : isNotNull(events.domain_id)]),
    ...inTime(filter),
  ];
};

/** The filter as a condition on the ledger. */
export const eventWhere = (filter: EventFilter): SQL | undefined => and(...conditions(filter));

/**
 * One page of the ledger, newest first.
 *
 * @param before id that the page starts below; null for the first page
 * @returns the rows, and the id to continue below, null on the last page
 */
export const listEvents = async (
  { orm }: Db,
  filter: EventFilter,
  { limit, before }: { limit: number; before: string | null },
): Promise<{ events: EventRow[]; next: string | null }> => {
  const below = before === null ? [] : [lt(events.id, before)];
  const rows = await orm
    .select(columns)
    .from(events)
    .where(and(...conditions(filter), ...below))
    .orderBy(desc(events.id))
    .limit(limit + peek);
  const page = rows.slice(0, limit);
  return { events: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

const statusSum = (status: EventStatus) =>
  sql`coalesce(sum(${eventCounts.n}) filter (where ${eventCounts.status} = ${status}), 0)`.mapWith(Number);

/** Sums the counts that triggers keep: exact, and as fast at five million events as at five. */
const keptStats = async ({ orm }: Db, filter: EventFilter): Promise<EventStats> => {
  const { status, source, clusterId, orgId, eventType, errorClass, unresolved } = filter;
  const [row] = await orm
    .select({
      pending: statusSum('pending'),
      applied: statusSum('applied'),
      failed: statusSum('failed'),
      unresolved: sql`coalesce(sum(${eventCounts.n}) filter (where not ${eventCounts.resolved}), 0)`.mapWith(Number),
    })
    .from(eventCounts)
    .where(
      and(
        status === undefined ? undefined : eq(eventCounts.status, status),
        source === undefined ? undefined : eq(eventCounts.source, source),
        clusterId === undefined ? undefined : eq(eventCounts.cluster_id, clusterId),
        orgId === undefined ? undefined : eq(eventCounts.org_id, orgId),
        eventType === undefined ? undefined : eq(eventCounts.event_type, eventType),
        errorClass === undefined ? undefined : eq(eventCounts.error_class, errorClass),
        unresolved === undefined ? undefined : eq(eventCounts.resolved, !unresolved),
      ),
    );
  return row ?? noStats;
};

const noStats: EventStats = { pending: 0, applied: 0, failed: 0, unresolved: 0 };

const counted = (condition: SQL) => sql`count(*) filter (where ${condition})`.mapWith(Number);

const directStats = async ({ orm }: Db, filter: EventFilter): Promise<EventStats> => {
  const [row] = await orm
    .select({
      pending: counted(statusIs('pending')),
      applied: counted(statusIs('applied')),
      failed: counted(statusIs('failed')),
      unresolved: counted(isNull(events.domain_id)),
    })
    .from(events)
    .where(and(...conditions(filter)));
  return row ?? noStats;
};

const hourMs = 3_600_000;

const countIn = (range: EventFilter, ...more: SQL[]): SQL =>
  sql`(select count(*) from ${events} where ${and(...inTime(range), ...more)})`;

const unfinishedIn = ({ since, until }: EventFilter, status: 'pending' | 'failed'): SQL => {
  const { event_id: id, status: listed } = unfinishedEvents;
  const from = since === undefined ? undefined : gte(id, firstIdAt(since));
  const to = until === undefined ? undefined : lt(id, firstIdAt(until));
  return sql`(select count(*) from ${unfinishedEvents} where ${and(eq(listed, status), from, to)})`;
};

/** Whole hours from their kept counts; only what is left at both ends is counted. */
const allIn = (range: EventFilter): SQL => {
  const { since, until } = range;
  const first = since === undefined ? undefined : Math.ceil(since / hourMs);
  const end = until === undefined ? undefined : Math.floor(until / hourMs);
  if (first !== undefined && end !== undefined && first >= end) return countIn(range);
  const whole = and(
    first === undefined ? undefined : gte(eventHours.hour, first),
    end === undefined ? undefined : lt(eventHours.hour, end),
  );
  const head = first === undefined ? sql`0` : countIn({ since, until: first * hourMs });
  const tail = end === undefined ? sql`0` : countIn({ since: end * hourMs, until });
  return sql`((select coalesce(sum(${eventHours.n}), 0) from ${eventHours} where ${whole}) + ${head} + ${tail})`;
};

/** A range of time alone: each number from kept counts or an index that holds nothing else, so that no row is fetched. */
const rangeStats = async ({ orm }: Db, filter: EventFilter): Promise<EventStats> => {
  const [row] = await orm
    .select({
      all: allIn(filter).mapWith(Number),
      pending: unfinishedIn(filter, 'pending').mapWith(Number),
      failed: unfinishedIn(filter, 'failed').mapWith(Number),
      unresolved: countIn(filter, isNull(events.domain_id)).mapWith(Number),
    })
    .from(sql`(values (1)) as one`);
  if (row === undefined) return noStats;
  const { all, ...rest } = row;
  return { ...rest, applied: all - rest.pending - rest.failed };
};

/** Counts of all events the filter lets through, whatever page is shown. */
export const readEventStats = (db: Db, filter: EventFilter): Promise<EventStats> => {
  const { domain, since, until, ...dimensions } = filter;
  if (domain === undefined && since === undefined && until === undefined) return keptStats(db, filter);
  const timeOnly = domain === undefined && Object.values(dimensions).every((value) => value === undefined);
  return timeOnly ? rangeStats(db, filter) : directStats(db, filter);
};

/** One event; null when there is none with this id. */
export const findEvent = async ({ orm }: Db, id: string): Promise<EventRow | null> => {
  const [row] = await orm.select(columns).from(events).where(eq(events.id, id));
  return row ?? null;
};

const mostIncidents = 100;

/**
 * What belongs to one event: failed tries and replays in the order they were made, incidents that name it, its domain, and
 * the group it was committed with, after which its first job is named.
 */
export const readEventDetail = async ({ orm }: Db, event: EventRow) => {
  const names = or(eq(incidents.event_id, event.id), sql`${incidents.context} ->> 'resolvedByEventId' = ${event.id}`);
  const [attempts, replays, named, [domain], [group]] = await Promise.all([
    orm.select().from(eventAttempts).where(eq(eventAttempts.event_id, event.id)).orderBy(asc(eventAttempts.id)),
    orm.select().from(eventReplays).where(eq(eventReplays.event_id, event.id)).orderBy(asc(eventReplays.id)),
    orm
      .select()
      .from(incidents)
      .where(and(eq(incidents.domain, event.domain), names))
      .orderBy(asc(incidents.id))
      .limit(mostIncidents),
    event.domain_id === null
      ? []
      : orm
          .select({ id: customDomains.id, domain: customDomains.domain, tls_status: customDomains.tls_status })
          .from(customDomains)
          .where(eq(customDomains.id, event.domain_id)),
    orm.select({ id: events.group_id }).from(events).where(eq(events.id, event.id)),
  ]);
  return { attempts, replays, incidents: named, domain: domain ?? null, groupId: group?.id ?? null };
};

export type EventDetail = Awaited<ReturnType<typeof readEventDetail>>;
