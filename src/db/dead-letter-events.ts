import type { Db } from './client.ts';
import { type DeadLetterFilter, deadLetterWhere } from './dead-letters.ts';
import { and, asc, desc, eq, getTableColumns, inArray, lt } from './drizzle.ts';
import type { EventRow } from './event-reads.ts';
import { deadLetters } from './schema-replays.ts';
import { events } from './schema.ts';

const { content_hash: _hash, group_id: _group, ...columns } = getTableColumns(events);

/**
 * One page of the events that gave up, newest first.
 *
 * @param before id that the page starts below; null for the first page
 */
export const listDeadLetters = async (
  { orm }: Db,
  filter: DeadLetterFilter,
  { limit, before }: { readonly limit: number; readonly before: string | null },
): Promise<{ events: EventRow[]; next: string | null }> => {
  const rows = await orm
    .select(columns)
    .from(deadLetters)
    .innerJoin(events, eq(events.id, deadLetters.event_id))
    .where(and(deadLetterWhere(filter), before === null ? undefined : lt(deadLetters.event_id, before)))
    .orderBy(desc(deadLetters.event_id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return { events: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

/** The domains of dead letters, by id. */
export const domainsOfLetters = async ({ orm }: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  if (ids.length === 0) return new Map();
  const rows = await orm
    .select({ id: deadLetters.event_id, domain: deadLetters.domain })
    .from(deadLetters)
    .where(inArray(deadLetters.event_id, [...ids]));
  return new Map(rows.map(({ id, domain }) => [id, domain]));
};

const mostNames = 200;

/** The domains that unresolved dead letters are waiting for, by name; two hundred at most. */
export const unregisteredDomains = async ({ orm }: Db, filter: DeadLetterFilter): Promise<string[]> => {
  const rows = await orm
    .selectDistinct({ domain: deadLetters.domain })
    .from(deadLetters)
    .where(deadLetterWhere({ ...filter, errorClass: 'unresolved' }))
    .orderBy(asc(deadLetters.domain))
    .limit(mostNames);
  return rows.map(({ domain }) => domain);
};
