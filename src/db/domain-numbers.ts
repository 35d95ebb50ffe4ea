import type { DriftState, TlsStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, eq, isNull, sql } from './drizzle.ts';
import { domainCounts } from './schema-counts.ts';

/** Filters that the kept counts know. */
export interface CountedFilter {
  readonly status?: TlsStatus | undefined;
  /** null: domains without a region. */
  readonly region?: string | null | undefined;
  readonly orgId?: string | undefined;
  /** `any`: every state but in step. */
  readonly drift?: DriftState | 'any' | undefined;
}

/** How many domains the filter lets through, from kept counts. */
export const countDomains = async ({ orm }: Db, { status, region, orgId, drift }: CountedFilter): Promise<number> => {
  const { drift_state, n } = domainCounts;
  const ofRegion = region === null ? isNull(domainCounts.region) : eq(domainCounts.region, region ?? '');
  const ofDrift = drift === 'any' ? sql`${drift_state} <> 'in_step'` : sql`${drift_state} = ${drift}`;
  const [row] = await orm
    .select({ n: sql`coalesce(sum(${n}), 0)`.mapWith(Number) })
    .from(domainCounts)
    .where(
      and(
        status === undefined ? undefined : eq(domainCounts.tls_status, status),
        region === undefined ? undefined : ofRegion,
        orgId === undefined ? undefined : eq(domainCounts.org_id, orgId),
        drift === undefined ? undefined : ofDrift,
      ),
    );
  return row?.n ?? 0;
};
