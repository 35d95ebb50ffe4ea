import type { Db } from './client.ts';
import { and, eq, inArray, sql } from './drizzle.ts';
import { domainCounts, eventCounts, incidentCounts } from './schema-counts.ts';
import { notifications } from './schema-served.ts';

/** The numbers beside the names in the console's side list. */
export interface NavCountsRow {
  readonly domains: number;
  readonly deadLetters: number;
  readonly deadNotifications: number;
  readonly openIncidents: number;
}

// More than this need no exact number, and counting them would cost more than it tells.
const mostCounted = 10_000;

/**
 * Kept counts and one bounded index range: the same at ten domains and at a million.
 *
 * @param orgId the one organisation to count; null for all
 */
export const readNavCounts = async ({ orm }: Db, orgId: string | null): Promise<NavCountsRow> => {
  const ofOrg = (column: Parameters<typeof eq>[0]) => (orgId === null ? undefined : eq(column, orgId));
  const domains = orm
    .select({ n: sql`coalesce(sum(${domainCounts.n}), 0)` })
    .from(domainCounts)
    .where(ofOrg(domainCounts.org_id));
  const dead = orm
    .select({ n: sql`coalesce(sum(${eventCounts.n}), 0)` })
    .from(eventCounts)
    .where(and(eq(eventCounts.status, 'failed'), ofOrg(eventCounts.org_id)));
  const open = orm
    .select({ n: sql`coalesce(sum(${incidentCounts.n}), 0)` })
    .from(incidentCounts)
    .where(and(inArray(incidentCounts.status, ['open']), ofOrg(incidentCounts.org_id)));
  const undelivered = orm
    .select({ one: sql`1`.as('one') })
    .from(notifications)
    .where(and(eq(notifications.status, 'dead'), ofOrg(notifications.org_id)))
    .limit(mostCounted)
    .as('undelivered');
  const [row] = await orm
    .select({
      domains: sql`(${domains})`.mapWith(Number),
      deadLetters: sql`(${dead})`.mapWith(Number),
      openIncidents: sql`(${open})`.mapWith(Number),
      deadNotifications: sql`(select count(*) from ${undelivered})`.mapWith(Number),
    })
    .from(sql`(values (1)) as one`);
  return row ?? { domains: 0, deadLetters: 0, deadNotifications: 0, openIncidents: 0 };
};
