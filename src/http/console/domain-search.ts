import * as v from 'valibot';
import type { Db } from '../../db/client.ts';
import { type DeadlinePlace, listByDeadline } from '../../db/domain-deadlines.ts';
import { type DomainFilter, listDomains } from '../../db/domain-list.ts';
import { countDomains } from '../../db/domain-numbers.ts';
import type { DomainRow } from '../../db/domain-row.ts';
import { AppError } from '../../errors.ts';
import { normalizeDomain } from '../../lifecycle/domain-name.ts';
import { driftStates } from '../../lifecycle/types.ts';
import { domainListQuery } from '../domain-query.ts';
import { filterText, strictQuery } from '../filters.ts';
import { decodeCursor, encodeCursor } from '../input.ts';

const dayMs = 86_400_000;
const { status, region, q, orgId } = domainListQuery.entries;

/** A day as 2026-11-21, UTC; becomes its first millisecond. */
const dayText = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day, as 2026-11-21'),
  v.transform((text) => Date.parse(text)),
  v.check((at) => Number.isFinite(at), 'must be a day, as 2026-11-21'),
);

const oneOf = <const T extends readonly string[]>(words: T) => v.picklist(words, `must be one of ${words.join(', ')}`);

/** What the list of domains can be asked. */
export const domainsQuery = strictQuery({
  q,
  status,
  region,
  orgId,
  drift: v.optional(oneOf(['any', ...driftStates])),
  expires: v.optional(dayText),
  sla: v.optional(oneOf(['breach'])),
  sort: v.optional(oneOf(['ends', 'renewal'])),
  cursor: v.optional(filterText(1000)),
});
export type DomainsQuery = Omit<v.InferOutput<typeof domainsQuery>, 'orgId'> & { readonly orgId: string | undefined };

const isByDeadline = ({ expires, sla, sort }: DomainsQuery): boolean =>
  expires !== undefined || sla !== undefined || sort !== undefined;

/** @throws AppError `bad_request` for filters that no index serves together. */
export const assertServed = (asked: DomainsQuery): void => {
  if (isByDeadline(asked) && (asked.q !== undefined || asked.drift !== undefined))
    throw new AppError('bad_request', 'sort, expires and sla cannot be combined with a name or drift');
};

export interface DomainsPage {
  readonly rows: readonly DomainRow[];
  readonly next: string | null;
}

interface Asked {
  readonly limit: number;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly cursor: string | undefined;
}

const bad = (): AppError => new AppError('bad_request', 'cursor is not one that this list gave out');

const placeOf = (cursor: string | undefined): DeadlinePlace | null => {
  if (cursor === undefined) return null;
  const [at = '', id = ''] = decodeCursor(cursor, 2);
  if (!/^-?\d{1,16}$/.test(at) || !v.is(v.pipe(v.string(), v.uuid()), id)) throw bad();
  return { at: Number(at), id };
};

const nameOf = (cursor: string | undefined): string | undefined => {
  if (cursor === undefined) return undefined;
  const [after = ''] = decodeCursor(cursor, 1);
  if (normalizeDomain(after) !== after) throw bad();
  return after;
};

const byDeadline = async (db: Db, asked: DomainsQuery, { limit, now, cursor }: Asked): Promise<DomainsPage> => {
  const { expires, sla, sort, orgId: org, status: wanted, region: where } = asked;
  const by = expires !== undefined ? 'ends' : sla !== undefined ? 'renewal' : (sort ?? 'ends');
  const range = expires !== undefined ? { from: expires, to: expires + dayMs } : sla !== undefined ? { to: now } : {};
  const filter = { by, ...range, orgId: org, status: wanted, region: where === 'unassigned' ? null : where } as const;
  const page = await listByDeadline(db, filter, { limit, after: placeOf(cursor) });
  return {
    rows: page.domains,
    next: page.next === null ? null : encodeCursor(String(page.next.at), page.next.id),
  };
};

/** Every kind of drift at once: one list for each, put together by name. */
const drifting = async (db: Db, filter: DomainFilter, { limit, cursor }: Asked): Promise<DomainsPage> => {
  const after = nameOf(cursor);
  const unwell = driftStates.filter((state) => state !== 'in_step');
  const pages = await Promise.all(unwell.map((drift) => listDomains(db, { ...filter, drift }, { limit, after })));
  const ends = pages.flatMap(({ next }) => next ?? []).toSorted();
  const end = ends[0];
  const rows = pages
    .flatMap(({ domains }) => domains)
    .filter(({ domain }) => end === undefined || domain <= end)
    .toSorted((a, b) => (a.domain < b.domain ? -1 : 1));
  const last = rows.length > limit ? rows[limit - 1]?.domain : end;
  return { rows: rows.slice(0, limit), next: last === undefined ? null : encodeCursor(last) };
};

/** One page of the list of domains, in the order that was asked for. */
export const findDomains = async (db: Db, asked: DomainsQuery, page: Asked): Promise<DomainsPage> => {
  const { q: name, status: wanted, region: where, orgId: org, drift } = asked;
  if (isByDeadline(asked)) return byDeadline(db, asked, page);
  const filter: DomainFilter = { name, status: wanted, region: where === 'unassigned' ? null : where, orgId: org };
  if (drift === 'any') return drifting(db, filter, page);
  const { domains, next } = await listDomains(
    db,
    { ...filter, drift },
    { limit: page.limit, after: nameOf(page.cursor) },
  );
  return { rows: domains, next: next === null ? null : encodeCursor(next) };
};

/** How many domains there are in all; null where only a scan could tell. */
export const numberOf = (db: Db, asked: DomainsQuery): Promise<number | null> => {
  const { q: name, expires, sla, status: wanted, region: where, orgId: org, drift } = asked;
  if (name !== undefined || expires !== undefined || sla !== undefined) return Promise.resolve(null);
  return countDomains(db, { status: wanted, region: where === 'unassigned' ? null : where, orgId: org, drift });
};
