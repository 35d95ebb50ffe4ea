import type { Db } from './client.ts';
import { and, asc, eq, gte, lt, sql } from './drizzle.ts';
import { probeObservations } from './schema-served.ts';
import { customDomains } from './schema.ts';

/** A domain on which a probe has seen a certificate, and when it first did. */
export interface SeenOn {
  readonly domain: string;
  readonly org_id: string | null;
  readonly certificate_ref: string;
  readonly first_seen_at: Date;
}

/**
 * Domains on which probes have seen a certificate whose fingerprint begins so.
 *
 * @param hex the beginning, 8 to 64 hex digits in upper case
 * @param orgId the one organisation to look at; null for all
 */
export const domainsServing = async (
  { orm }: Db,
  hex: string,
  { orgId, limit }: { readonly orgId: string | null; readonly limit: number },
): Promise<SeenOn[]> => {
  const { certificate_ref: ref, domain_id, created_at } = probeObservations;
  const text = sql`${ref} collate "C"`;
  const from = `sha256:${hex}`;
  const rows = await orm
    .select({
      domain: customDomains.domain,
      org_id: customDomains.org_id,
      certificate_ref: sql<string>`${ref}`,
      first_seen_at: sql<Date>`min(${created_at})`.mapWith(created_at),
    })
    .from(probeObservations)
    .innerJoin(customDomains, eq(customDomains.id, domain_id))
    // 'G' follows every hex digit.
    .where(and(gte(text, from), lt(text, `${from}G`), orgId === null ? undefined : eq(customDomains.org_id, orgId)))
    .groupBy(customDomains.domain, customDomains.org_id, ref)
    .orderBy(asc(customDomains.domain))
    .limit(limit);
  return rows;
};
