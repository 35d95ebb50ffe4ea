import type { TlsStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import type { DomainRow } from './domain-row.ts';
import { and, eq, getTableColumns, or, type SQL, sql } from './drizzle.ts';
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

// A page that has to pass over more rows than this ends early, with a cursor: about 20 ms of index scan.
const scanLimit = 10_000;

const reverse = (name: string): string => name.split('').toReversed().join('');
const reversed = sql`reverse(${customDomains.domain})`;

// A partial index is used only when the planner sees the value itself; these come from closed lists.
const literal = (word: string): SQL => {
  if (!/^[a-z_]+$/.test(word)) throw new Error('only plain words are written into a statement');
  return sql.raw(`'${word}'`);
};

interface Condition {
  readonly where: SQL;
  /** What the index that serves the condition has in front of the name; null when none serves it. */
  readonly column: SQL | null;
}

/** The conditions of a filter, the most telling index first, those without one last. */
const conditionsOf = ({ status, region, orgId, drift }: DomainFilter): Condition[] => {
  const { org_id, tls_status, drift_state } = customDomains;
  const found: Condition[] = [];
  // The partial indexes leave out the common case, in which almost every row matches anyhow.
  const word = (column: typeof tls_status | typeof drift_state, value: string, common: string): void => {
    found.push({ where: sql`${column} = ${literal(value)}`, column: value === common ? null : sql`${column}` });
  };
  if (orgId !== undefined) found.push({ where: eq(org_id, orgId), column: sql`${org_id}` });
  if (drift !== undefined) word(drift_state, drift, 'in_step');
  if (status !== undefined) word(tls_status, status, 'issued');
  if (region !== undefined) {
    const where = region === null ? sql`${customDomains.region} is null` : eq(customDomains.region, region);
    found.push({ where, column: sql`${customDomains.region}` });
  }
  return [...found.filter(({ column }) => column !== null), ...found.filter(({ column }) => column === null)];
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

interface Page {
  readonly limit: number;
  readonly after?: string | undefined;
}

/**
 * One page of domains in the order of their names (of the reversed names in a suffix search). One index finds the rows;
 * what else the filter asks is looked at row by row, over a bounded number of rows: then a page may be short, or empty, and
 * still have a next one.
 */
export const listDomains = async ({ orm }: Db, filter: DomainFilter, { limit, after }: Page): Promise<DomainPage> => {
  const conditions = conditionsOf(filter);
  const bySuffix = filter.name !== undefined && 'suffix' in filter.name;
  const [first] = conditions;
  const lead = bySuffix || first === undefined || first.column === null ? null : first;
  const rest = lead === null ? conditions : conditions.slice(1);
  const scan: Scan = {
    where: and(lead?.where, rangeOf(filter.name, after)),
    order: [...(lead?.column ? [lead.column] : []), bySuffix ? reversed : sql`${customDomains.domain}`],
    rest: and(...rest.map(({ where }) => where)),
  };
  const rows =
    scan.rest === undefined ? await readAll(orm, scan, limit + 1) : await readMatching(orm, scan, scan.rest, limit + 1);
  const domains = rows.flatMap(({ met, row }) => (met ? [row] : [])).slice(0, limit);
  const full = rows.length > limit;
  const stopped = rows.find(({ last }) => last);
  return { domains, next: (full ? domains.at(-1) : stopped?.row)?.domain ?? null };
};

interface Scan {
  readonly where: SQL | undefined;
  readonly order: readonly SQL[];
  readonly rest: SQL | undefined;
}

/** `met`: the row is one of those asked for; `last`: the scan ends here although there may be more. */
interface Seen {
  readonly row: DomainRow;
  readonly met: boolean;
  readonly last: boolean;
}

const readAll = async (orm: Db['orm'], { where, order }: Scan, limit: number): Promise<Seen[]> => {
  const rows = await orm
    .select()
    .from(customDomains)
    .where(where)
    .orderBy(...order)
    .limit(limit);
  return rows.map((row) => ({ row, met: true, last: false }));
};

const readMatching = async (orm: Db['orm'], { where, order }: Scan, rest: SQL, limit: number): Promise<Seen[]> => {
  const nth = sql<number>`row_number() over (order by ${sql.join([...order], sql`, `)})`.mapWith(Number).as('nth');
  const met = sql<boolean>`coalesce(${rest}, false)`.as('met');
  const scanned = orm
    .select({ ...getTableColumns(customDomains), nth, met })
    .from(customDomains)
    .where(where)
    .orderBy(...order)
    .limit(scanLimit)
    .as('scanned');
  const found = await orm
    .select()
    .from(scanned)
    .where(or(sql`${scanned.met}`, eq(scanned.nth, scanLimit)))
    .orderBy(scanned.nth)
    .limit(limit);
  return found.map(({ nth: place, met: matches, ...row }) => ({ row, met: matches, last: place === scanLimit }));
};
