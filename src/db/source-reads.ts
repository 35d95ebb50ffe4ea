import type { EventStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, asc, eq, gt, sql } from './drizzle.ts';
import { sourceHours } from './schema-counts.ts';
import { certSources, sourceActivity } from './schema.ts';

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

/** Events of one sender by clock hour: the 24 that end with the current one, oldest first. */
export interface SourceDay extends SourceKey {
  readonly hours: readonly number[];
}

const hourMs = 3_600_000;
const shownHours = 24;

/** What each sender sent in the 24 clock hours that end with the one of `now` (epoch ms); those that sent nothing are left out. */
export const readSourceDays = async ({ orm }: Db, now: number): Promise<SourceDay[]> => {
  const last = Math.floor(now / hourMs);
  const { source, cluster_id: clusterId, hour } = sourceHours;
  const rows = await orm
    .select({ source, clusterId, hour, n: sql`sum(${sourceHours.n})`.mapWith(Number) })
    .from(sourceHours)
    .where(gt(hour, last - shownHours))
    .groupBy(source, clusterId, hour);
  const days = new Map<string, { source: string; clusterId: string; hours: number[] }>();
  for (const row of rows) {
    const key = JSON.stringify([row.source, row.clusterId]);
    const day = days.get(key) ?? { source: row.source, clusterId: row.clusterId, hours: Array(shownHours).fill(0) };
    const at = shownHours - 1 - (last - row.hour);
    if (at < shownHours) day.hours[at] = row.n;
    days.set(key, day);
  }
  return [...days.values()];
};

/** How many senders were ever heard of. */
export const countSources = ({ orm }: Db): Promise<number> => orm.$count(certSources);
