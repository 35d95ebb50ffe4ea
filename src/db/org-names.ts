import type { Db } from './client.ts';
import { isNotNull, sql } from './drizzle.ts';
import { domainCounts } from './schema-counts.ts';

/** Names of the organisations that have domains, in order; null when there are more than `most`. */
export const readOrgNames = async ({ orm }: Db, most: number): Promise<string[] | null> => {
  const rows = await orm
    .select({ name: sql<string>`${domainCounts.org_id}` })
    .from(domainCounts)
    .where(isNotNull(domainCounts.org_id))
    .groupBy(domainCounts.org_id)
    .orderBy(domainCounts.org_id)
    .limit(most + 1);
  return rows.length > most ? null : rows.map(({ name }) => name);
};
