import { Hono } from 'hono';
import * as v from 'valibot';
import { listSources, type SourceKey } from '../db/source-reads.ts';
import { eventStatuses } from '../lifecycle/types.ts';
import { sourceList } from './answers.ts';
import type { HttpEnv } from './env.ts';
import { filterText, strictQuery } from './filters.ts';
import { check, decodeCursor, encodeCursor, queryLimit, readQuery } from './input.ts';
import { route } from './route.ts';

/** Filters of senders that the API and the console share. */
export const sourceFilters = {
  source: v.optional(filterText(80)),
  clusterId: v.optional(filterText(120)),
  status: v.optional(v.picklist(eventStatuses, `must be one of ${eventStatuses.join(', ')}`)),
};

const listQuery = strictQuery({
  ...sourceFilters,
  limit: queryLimit(500, 200),
  cursor: v.optional(filterText(1000)),
});

// A sender without a cluster has the empty one.
const cursorParts = v.pipe(
  v.tuple([filterText(80), v.union([v.literal(''), filterText(120)])], 'is not one that this list gave out'),
  v.transform(([source, clusterId]) => ({ source, clusterId })),
);

/** The sender that a page of the list begins behind; null without a cursor. */
export const senderOf = (cursor: string | undefined): SourceKey | null =>
  cursor === undefined
    ? null
    : check(v.strictObject({ cursor: cursorParts }), { cursor: decodeCursor(cursor, 2) }).cursor;

const listRoute = {
  summary: 'Senders of events, by source and cluster, with the last event of each',
  tag: 'Sources',
  role: 'viewer',
  scope: 'all',
  query: listQuery,
  answers: { 200: { about: 'A page of senders', schema: sourceList } },
} as const;

/** Who sends events, and how the last one went (contract 4). */
export const sourceRoutes = () =>
  new Hono<HttpEnv>().get('/v1/admin/cert-sources', route(listRoute), async (c) => {
    const { limit, cursor, ...filter } = readQuery(c, listQuery);
    const after = senderOf(cursor);
    const { sources, next } = await listSources(c.var.ctx.db, filter, { limit, after });
    return c.json({ sources, nextCursor: next === null ? null : encodeCursor(next.source, next.clusterId) });
  });
