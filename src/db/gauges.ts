import { type DriftState, driftStates, type TlsStatus, tlsStatuses } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, eq, gt, lte, type SQL, sql } from './drizzle.ts';
import { domainClocks, domainCounts, eventCounts, unfinishedEvents } from './schema-counts.ts';
import { events } from './schema.ts';

export interface Gauges {
  /** Every status, also those that no domain has. */
  readonly domains: ReadonlyMap<TlsStatus, number>;
  readonly eventsPending: number;
  readonly eventsFailed: number;
  readonly slaWarning: number;
  readonly slaBreach: number;
  /** Every state of drift, also those that no domain is in. */
  readonly drift: ReadonlyMap<DriftState, number>;
  /** Epoch ms of receipt; null when nothing waits. */
  readonly oldestPendingAt: number | null;
}

const hour = 3_600_000;
const dayMs = 24 * hour;
/** A source has a usual interval once it has sent this many events over at least a day. */
const judgedFromEvents = 10;
/** A source that has been silent for so long beyond its time is taken for gone. */
const goneAfterMs = 30 * dayMs;

/**
 * Sources that reported regularly and have been silent for more than three times their usual interval, at least a day. The
 * interval is the time from the first event that is kept to the last, over their number.
 */
export const countSilentSources = async ({ sql: query }: Pick<Db, 'sql'>, now: number): Promise<number> => {
  const [row] = await query<{ silent: number }[]>`
    select count(*)::int as silent
    from cert_sources s
    cross join lateral (
      select extract(epoch from s.last_seen_at - e.created_at) * 1000 as span
      from certificate_lifecycle_events e where e.source = s.source order by e.id limit 1) first
    cross join lateral (
      select ${now}::float8 - extract(epoch from s.last_seen_at)::float8 * 1000 as quiet,
        greatest(3 * first.span / (s.events_total - 1), ${dayMs}) as allowed) is_so
    where s.events_total >= ${judgedFromEvents} and first.span >= ${dayMs}
      and is_so.quiet > is_so.allowed and is_so.quiet <= is_so.allowed + ${goneAfterMs}`;
  return row?.silent ?? 0;
};

const total = (column: SQL | typeof domainCounts.n | typeof eventCounts.n) =>
  sql`coalesce(sum(${column}), 0)`.mapWith(Number);

/**
 * The numbers that are read from the database for every scrape: kept counts and short index ranges, no scan.
 *
 * @param now epoch ms; a renewal due then or before is a breach, one due within `slaWarningHours` after it a warning (contract 6).
 */
export const readGauges = async (db: Db, now: number, slaWarningHours: number): Promise<Gauges> => {
  const { orm } = db;
  const at = new Date(now);
  const due = domainClocks.renewal_due_at;
  const [byStatus, byEventStatus, slaBreach, slaWarning, [oldest]] = await Promise.all([
    orm
      .select({ status: domainCounts.tls_status, drift: domainCounts.drift_state, n: total(domainCounts.n) })
      .from(domainCounts)
      .groupBy(domainCounts.tls_status, domainCounts.drift_state),
    orm
      .select({ status: eventCounts.status, n: total(eventCounts.n) })
      .from(eventCounts)
      .groupBy(eventCounts.status),
    orm.$count(domainClocks, lte(due, at)),
    orm.$count(domainClocks, and(gt(due, at), lte(due, new Date(now + slaWarningHours * hour)))),
    orm
      .select({ at: events.created_at })
      .from(unfinishedEvents)
      .innerJoin(events, eq(events.id, unfinishedEvents.event_id))
      .where(eq(unfinishedEvents.status, 'pending'))
      .orderBy(unfinishedEvents.event_id)
      .limit(1),
  ]);
  const domains = new Map<TlsStatus, number>(tlsStatuses.map((status) => [status, 0]));
  const drift = new Map<DriftState, number>(driftStates.map((state) => [state, 0]));
  for (const { status, drift: state, n } of byStatus) {
    domains.set(status, (domains.get(status) ?? 0) + n);
    if (state !== null) drift.set(state, (drift.get(state) ?? 0) + n);
  }
  const countOf = (wanted: string): number => byEventStatus.find(({ status }) => status === wanted)?.n ?? 0;
  return {
    domains,
    drift,
    eventsPending: countOf('pending'),
    eventsFailed: countOf('failed'),
    slaWarning,
    slaBreach,
    oldestPendingAt: oldest?.at.getTime() ?? null,
  };
};
