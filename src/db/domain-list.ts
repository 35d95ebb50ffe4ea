import { and, eq, type SQL, sql } from 'drizzle-orm';
import type { TlsStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import type { DomainRow } from './domain-row.ts';
import { customDomains } from './schema.ts';

/** A name begins with `prefix`, or ends with `suffix` (which begins with a dot). */
export type NameMatch = { readonly prefix: string } | { readonly suffix: string };

export interface DomainFilter {
  readonly status?: TlsStatus | undefined;
  /** null: domains without a region. */
  readonly region?: string | null | undefined;
  readonly orgId?: string | undefined;
  readonly drift?: string | undefined;
  readonly name?: NameMatch | undefined;
}

export interface DomainPage {
  readonly domains: readonly DomainRow[];
  /** The name after which the next page begins; null on the last page. */
  readonly next: string | null;
}

// A page that has to pass over more rows than this ends early, with a cursor: about 30 ms of index scan.
const scanLimit = 20_000;

const reverse = (name: string): string => name.split('').toReversed().join('');
const reversed = sql`reverse(${customDomains.domain})`;

// A partial index is used only when the planner sees the value itself; these come from closed lists.
const literal = (word: string): SQL => {
  if (!/^[a-z_]+$/.test(word)) throw new Error('only plain words are written into a statement');
  return sql.raw(`'${word}'`);
};

interface Condition {
  readonly where: SQL;
  /** What the index that serves the condition has in front of the name. */
  readonly order: readonly SQL[];
}

/** The conditions of a filter, the most telling index first. */
const conditionsOf = ({ status, region, orgId, drift }: DomainFilter): Condition[] => {
  const found: Condition[] = [];
  const { org_id, tls_status, drift_state } = customDomains;
  if (orgId !== undefined) found.push({ where: eq(org_id, orgId), order: [sql`${org_id}`] });
  if (drift !== undefined) found.push({ where: sql`${drift_state} = ${literal(drift)}`, order: [sql`${drift_state}`] });
  if (status !== undefined) found.push({ where: sql`${tls_status} = ${literal(status)}`, order: [sql`${tls_status}`] });
  if (region !== undefined) {
    const where = region === null ? sql`${customDomains.region} is null` : eq(customDomains.region, region);
    found.push({ where, order: [sql`${customDomains.region}`] });
  }
  return found;
};

const rangeOf = (name: NameMatch | undefined, after: string | undefined): SQL | undefined => {
  const { domain } = customDomains;
  if (name !== undefined && 'suffix' in name) {
    const prefix = reverse(name.suffix);
    // '/' follows '.' in ASCII, so this is everything that begins with the prefix.
    const range = sql`${reversed} >= ${prefix} and ${reversed} < ${`${prefix.slice(0, -1)}/`}`;
    return after === undefined ? range : and(range, sql`${reversed} > ${reverse(after)}`);
  }
  const from = after === undefined ? undefined : sql`${domain} > ${after}`;
  // '~' comes after everything a host name holds.
  const range = name === undefined ? undefined : sql`${domain} >= ${name.prefix} and ${domain} < ${`${name.prefix}~`}`;
  return and(range, from);
};

/**
 * One page of domains in the order of their names (of the reversed names in a suffix search). One index finds the rows;
 * what else the filter asks is looked at row by row, over a bounded number of rows: then a page may be short, or empty, and
 * still have a next one.
 */
export const listDomains = async (
  { orm }: Db,
  filter: DomainFilter,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<DomainPage> => {
  const conditions = conditionsOf(filter);
  const bySuffix = filter.name !== undefined && 'suffix' in filter.name;
  const lead = bySuffix ? undefined : conditions[0];
  const rest = bySuffix ? conditions : conditions.slice(1);
  const order = [...(lead?.order ?? []), bySuffix ? reversed : sql`${customDomains.domain}`];
  const scan = { where: and(lead?.where, rangeOf(filter.name, after)), order };
  if (rest.length === 0) return pageOf(await scanDomains(orm, scan, limit + 1), limit, null);
  const met = and(...rest.map(({ where }) => where));
  const rows = await orm
    .select()
    .from(
      orm
        .select()
        .from(customDomains)
        .where(scan.where)
        .orderBy(...scan.order)
        .limit(scanLimit)
        .as('custom_domains'),
    )
    .where(met)
    .limit(limit + 1);
  const stopped = rows.length > limit ? null : await nthName(orm, scan);
  return pageOf(rows, limit, stopped);
};

interface Scan {
  readonly where: SQL | undefined;
  readonly order: readonly SQL[];
}

const scanDomains = (orm: Db['orm'], { where, order }: Scan, limit: number): Promise<DomainRow[]> =>
  orm
    .select()
    .from(customDomains)
    .where(where)
    .orderBy(...order)
    .limit(limit);

/** The name at which a scan over {@link scanLimit} rows ends; null when there are fewer. */
const nthName = async (orm: Db['orm'], { where, order }: Scan): Promise<string | null> => {
  const { domain } = customDomains;
  const [row] = await orm
    .select({ domain })
    .from(customDomains)
    .where(where)
    .orderBy(...order)
    .offset(scanLimit - 1)
    .limit(1);
  return row?.domain ?? null;
};

const pageOf = (rows: readonly DomainRow[], limit: number, stopped: string | null): DomainPage => {
  const domains = rows.slice(0, limit);
  return { domains, next: rows.length > limit ? (domains.at(-1)?.domain ?? null) : stopped };
};
