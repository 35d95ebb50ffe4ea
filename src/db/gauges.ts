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
