import { Hono } from 'hono';
import * as v from 'valibot';
import { type GroupPosition, listDeadLetterGroups, readDeadLetterTotals } from '../db/dead-letters.ts';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';
import { strictQuery } from './filters.ts';
import { decodeCursor, encodeCursor, readQuery } from './input.ts';
import { groupList } from './replay-answers.ts';
import { groupsQuery } from './replay-input.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';

const listQuery = strictQuery(groupsQuery);

const listRoute = {
  summary: 'Dead letters grouped by cause, the largest group first',
  tag: 'Events',
  role: 'viewer',
  scope: 'org',
  query: listQuery,
  answers: { 200: { about: 'A page of groups, and totals over all that the filters let through', schema: groupList } },
} as const;

const place = v.tuple([v.pipe(v.string(), v.regex(/^\d{1,12}$/)), v.pipe(v.string(), v.regex(/^[\da-f]{16}$/))]);

/** Where a page of groups starts, from the cursor it was given. */
export const positionOf = (cursor: string | undefined): GroupPosition | null => {
  if (cursor === undefined) return null;
  const parts = v.safeParse(place, decodeCursor(cursor, 2));
  if (!parts.success) throw new AppError('bad_request', 'cursor is not one that this list gave out');
  const [events, fingerprint] = parts.output;
  return { events: Number(events), fingerprint };
};

/** The cursor of the page of groups that starts here. */
export const cursorOf = ({ events, fingerprint }: GroupPosition): string => encodeCursor(String(events), fingerprint);

/** Reading what was given up, by cause. */
export const deadLetterRoutes = () =>
  new Hono<HttpEnv>().get('/v1/admin/dead-letters', route(listRoute), async (c) => {
    const { limit, cursor, ...query } = readQuery(c, listQuery);
    const filter = { ...query, orgId: orgOf(c, query.orgId) };
    const { db, now } = c.var.ctx;
    const page = { limit, after: positionOf(cursor), now: now() };
    const [{ groups, next }, totals] = await Promise.all([
      listDeadLetterGroups(db, filter, page),
      readDeadLetterTotals(db, filter),
    ]);
    return c.json({
      groups,
      nextCursor: next === null ? null : cursorOf(next),
      totals,
    });
  });
