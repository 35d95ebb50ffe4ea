import type { EventStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, asc, eq, sql } from './drizzle.ts';
import { sourceActivity } from './schema.ts';

export interface SourceFilter {
  readonly source?: string | undefined;
  readonly clusterId?: string | undefined;
  readonly status?: EventStatus | undefined;
}

export type SourceRow = typeof sourceActivity.$inferSelect;

/** Where a page of sources starts: after this pair. A sender without a cluster has ''. */
export interface SourceKey {
  readonly source: string;
  readonly clusterId: string;
}

/** One page of the senders that were ever heard of, by source and cluster; `next` is null on the last page. */
export const listSources = async (
  { orm }: Db,
  filter: SourceFilter,
  { limit, after }: { limit: number; after: SourceKey | null },
): Promise<{ sources: SourceRow[]; next: SourceKey | null }> => {
  const { source, clusterId, status } = filter;
  const cluster = sql`coalesce(${sourceActivity.cluster_id}, '')`;
  const rows = await orm
    .select()
    .from(sourceActivity)
    .where(
      and(
        source === undefined ? undefined : eq(sourceActivity.source, source),
        clusterId === undefined ? undefined : eq(sourceActivity.cluster_id, clusterId),
        status === undefined ? undefined : eq(sourceActivity.last_status, status),
        after === null
          ? undefined
          : sql`(${sourceActivity.source}, ${cluster}) > (${after.source}, ${after.clusterId})`,
      ),
    )
    .orderBy(asc(sourceActivity.source), asc(cluster))
    .limit(limit + 1);
  const sources = rows.slice(0, limit);
  const last = rows.length > limit ? sources.at(-1) : undefined;
  return { sources, next: last === undefined ? null : { source: last.source, clusterId: last.cluster_id ?? '' } };
};
