import type { TlsStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { eq, sql } from './drizzle.ts';
import { domainCounts } from './schema-counts.ts';

/** How the domains of one region stand; `unassigned` is no region. */
export interface RegionSummary extends Readonly<Record<TlsStatus, number>> {
  readonly region: string;
  readonly total: number;
  readonly last_event_at: Date | null;
}

const count = (status: TlsStatus) =>
  sql<number>`coalesce(sum(${domainCounts.n}) filter (where ${domainCounts.tls_status} = ${status}), 0)`.mapWith(
    Number,
  );

/** Domains by region and status, from the kept counts: the number of domains does not matter. */
export const regionSummary = ({ orm }: Db, orgId: string | undefined): Promise<RegionSummary[]> => {
  const region = sql<string>`coalesce(${domainCounts.region}, 'unassigned') collate "C"`;
  return orm
    .select({
      region,
      total: sql<number>`sum(${domainCounts.n})`.mapWith(Number),
      issued: count('issued'),
      expiring: count('expiring'),
      tls_error: count('tls_error'),
      pending_issue: count('pending_issue'),
      pending_route: count('pending_route'),
      passthrough_unverified: count('passthrough_unverified'),
      last_event_at: sql<Date | null>`max(${domainCounts.last_event_at})`.mapWith(domainCounts.last_event_at),
    })
    .from(domainCounts)
    .where(orgId === undefined ? undefined : eq(domainCounts.org_id, orgId))
    .groupBy(sql`1`)
    .having(sql`sum(${domainCounts.n}) > 0`)
    .orderBy(sql`1`);
};
