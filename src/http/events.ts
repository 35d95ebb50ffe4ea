import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { type EventRow, findEvent, listEvents, readEventStats } from '../db/event-reads.ts';
import { reopenEvent } from '../db/reopen.ts';
import { AppError } from '../errors.ts';
import { eventDetail, eventList, replayAnswer } from './answers.ts';
import { audited } from './audited.ts';
import type { HttpEnv } from './env.ts';
import { eventFilters } from './event-query.ts';
import { readStory } from './event-timeline.ts';
import { filterText, idOfCursor, pathId, remark, strictBody, strictQuery } from './filters.ts';
import { encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { enqueueReplayed } from './replay-queue.ts';
import { route } from './route.ts';
import { orgOf, visible } from './scope.ts';

const listQuery = v.pipe(
  strictQuery({ ...eventFilters, limit: queryLimit(500, 200), cursor: v.optional(filterText(200)) }),
  v.forward(
    v.partialCheck(
      [['since'], ['until']],
      ({ since, until }) => since === undefined || until === undefined || since <= until,
      'must not be after until',
    ),
    ['since'],
  ),
);

const flag = (fallback: boolean) => v.optional(v.boolean('must be true or false'), fallback);
const replayBody = strictBody({ force: flag(false), resetRetry: flag(true), reason: remark });

const missing = (): AppError => new AppError('not_found', 'There is no event with this id');

const applied = (): AppError =>
  new AppError('conflict', 'The event is applied already; replay it with force to apply it again');

/** How one event is replayed. */
export interface EventReplay {
  readonly id: string;
  /** Also when it is applied already. */
  readonly force: boolean;
  readonly resetRetry: boolean;
  readonly reason: string | null;
}

/** Has one event applied again. @throws AppError `not_found`; `conflict` when it is applied already, without force. */
export const replayEvent = async (c: Context<HttpEnv>, options: EventReplay): Promise<EventRow> => {
  const { ctx, actor } = c.var;
  const { id, reason } = options;
  const { event, opened } = await audited(c, async (db) => {
    const before = visible(c, await findEvent(db, id));
    if (before === null) throw missing();
    const result = await reopenEvent(db, { ...options, actor: actor.name, now: ctx.now() });
    if (result.kind !== 'reopened') throw result.kind === 'missing' ? missing() : applied();
    const after = await findEvent(db, id);
    if (after === null) throw missing();
    const change = {
      action: 'event.replay',
      object: { type: 'event', id },
      orgId: after.org_id,
      before: { status: before.status, generation: before.generation },
      after: { status: after.status, generation: after.generation, domain: after.domain },
      reason,
    } as const;
    return [{ event: after, opened: result.event }, change];
  });
  await enqueueReplayed(ctx, [opened]);
  return event;
};

const listRoute = {
  summary: 'Events of the ledger, newest first',
  tag: 'Events',
  role: 'viewer',
  scope: 'org',
  query: listQuery,
  answers: { 200: { about: 'A page of events, and counts of all that the filters let through', schema: eventList } },
} as const;

const detailRoute = {
  summary: 'One event with its tries, replays, incidents, notifications and domain, and all of them as one timeline',
  tag: 'Events',
  role: 'viewer',
  scope: 'org',
  path: { id: 'Id of the event' },
  answers: { 200: { about: 'The event', schema: eventDetail } },
  errors: [404],
} as const;

const replayRoute = {
  summary: 'Apply an event again',
  tag: 'Events',
  role: 'operator',
  scope: 'org',
  changes: 'event.replay',
  path: { id: 'Id of the event' },
  body: replayBody,
  answers: { 200: { about: 'The event, pending again', schema: replayAnswer } },
  errors: [404, 409],
} as const;

/** Reading the ledger and replaying single events (contract 4). */
export const eventRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/cert-events', route(listRoute), async (c) => {
      const { limit, cursor, ...query } = readQuery(c, listQuery);
      const filter = { ...query, orgId: orgOf(c, query.orgId) };
      const before = idOfCursor(cursor);
      const { db } = c.var.ctx;
      const stats = await readEventStats(db, filter);
      // Where nothing matches, no index can say so as fast as the counts just did.
      const none = stats.pending + stats.applied + stats.failed === 0;
      const page = none ? { events: [], next: null } : await listEvents(db, filter, { limit, before });
      return c.json({ events: page.events, nextCursor: page.next === null ? null : encodeCursor(page.next), stats });
    })
    .get('/v1/admin/cert-events/:id', route(detailRoute), async (c) => {
      const { db } = c.var.ctx;
      const event = visible(c, await findEvent(db, pathId(c)));
      if (event === null) throw missing();
      return c.json({ event, ...(await readStory(db, event)) });
    })
    .post('/v1/admin/cert-events/:id/replay', route(replayRoute), async (c) => {
      const id = pathId(c);
      const event = await replayEvent(c, { id, ...(await readJson(c, replayBody)) });
      return c.json({ ok: true, event });
    });
