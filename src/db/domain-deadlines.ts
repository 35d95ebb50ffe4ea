import type { TlsStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import type { DomainRow } from './domain-row.ts';
import { and, asc, eq, getTableColumns, gte, inArray, lt, lte, type SQL, sql } from './drizzle.ts';
import { domainClocks } from './schema-counts.ts';
import { customDomains } from './schema.ts';

/** Which moment of a domain orders the list: when its certificate ends, or when it has to be renewed. */
export type Deadline = 'ends' | 'renewal';

/** Narrows a list by deadline; `from` (inclusive) and `to` (exclusive) are epoch milliseconds. */
export interface DeadlineFilter {
  readonly by: Deadline;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly orgId?: string | undefined;
  readonly status?: TlsStatus | undefined;
  /** null: domains without a region. */
  readonly region?: string | null | undefined;
}

/** Place in a list by deadline; `at` is epoch milliseconds. */
export interface DeadlinePlace {
  readonly at: number;
  readonly id: string;
}

export interface DeadlinePage {
  readonly domains: readonly DomainRow[];
  readonly next: DeadlinePlace | null;
}

// A page looks at so many clocks at most; where few of them match, it is short and has a next one.
const scanLimit = 5000;

const matches = ({ orgId, status, region }: DeadlineFilter): SQL | undefined =>
  and(
    orgId === undefined ? undefined : eq(customDomains.org_id, orgId),
    status === undefined ? undefined : eq(customDomains.tls_status, status),
    region === undefined
      ? undefined
      : region === null
        ? sql`${customDomains.region} is null`
        : eq(customDomains.region, region),
  );

const timeOf = (at: number): SQL => sql`to_timestamp(${at}::float8 / 1000)`;

/** Domains in the order of a deadline, the nearest first: a range of an index, however many domains there are. */
export const listByDeadline = async (
  { orm }: Db,
  filter: DeadlineFilter,
  { limit, after }: { readonly limit: number; readonly after: DeadlinePlace | null },
): Promise<DeadlinePage> => {
  const { domain_id } = domainClocks;
  const column = filter.by === 'ends' ? domainClocks.ends_at : domainClocks.renewal_due_at;
  const clocks = await orm
    .select({ id: domain_id, at: column })
    .from(domainClocks)
    .where(
      and(
        sql`${column} is not null`,
        filter.from === undefined ? undefined : gte(column, timeOf(filter.from)),
        filter.to === undefined ? undefined : lt(column, timeOf(filter.to)),
        after === null ? undefined : sql`(${column}, ${domain_id}) > (${timeOf(after.at)}, ${after.id}::uuid)`,
      ),
    )
    .orderBy(asc(column), asc(domain_id))
    .limit(matches(filter) === undefined ? limit + 1 : scanLimit);
  const rows =
    clocks.length === 0
      ? []
      : await orm
          .select(getTableColumns(customDomains))
          .from(customDomains)
          .where(
            and(
              inArray(
                customDomains.id,
                clocks.map(({ id }) => id),
              ),
              matches(filter),
            ),
          );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const found = clocks.flatMap(({ id, at }) => {
    const row = byId.get(id);
    return row === undefined || at === null ? [] : [{ row, place: { at: at.getTime(), id } }];
  });
  const page = found.slice(0, limit);
  const last = clocks.at(-1);
  const scanned = clocks.length === scanLimit && last?.at ? { at: last.at.getTime(), id: last.id } : null;
  return {
    domains: page.map(({ row }) => row),
    next: found.length > limit ? (page.at(-1)?.place ?? null) : scanned,
  };
};

const mostCounted = 10_000;

/** How many domains have a deadline before `to` (epoch ms), 10,000 at most; of all organisations. */
export const countByDeadline = async ({ orm }: Db, by: Deadline, to: number): Promise<number> => {
  const column = by === 'ends' ? domainClocks.ends_at : domainClocks.renewal_due_at;
  const due = orm
    .select({ one: sql`1`.as('one') })
    .from(domainClocks)
    .where(and(sql`${column} is not null`, lte(column, timeOf(to))))
    .limit(mostCounted)
    .as('due');
  const [row] = await orm.select({ n: sql`count(*)`.mapWith(Number) }).from(due);
  return row?.n ?? 0;
};
