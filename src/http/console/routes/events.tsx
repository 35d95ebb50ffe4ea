import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { type EventFilter, type EventRow, findEvent, listEvents, readEventStats } from '../../../db/event-reads.ts';
import { AppError } from '../../../errors.ts';
import type { HttpEnv } from '../../env.ts';
import { eventFilters } from '../../event-query.ts';
import { readStory } from '../../event-timeline.ts';
import { replayEvent } from '../../events.ts';
import { filterText, idOfCursor, pathId, strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check, encodeCursor } from '../../input.ts';
import { orgOf, visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { csvAnswer } from '../csv.ts';
import { eventColumns } from '../event-columns.ts';
import { assertRange, pageTime } from '../page-time.ts';
import { answerPage, seeOther } from '../page.tsx';
import { ReplayEventSheet } from '../pages/event-replay.tsx';
import { EventPage, eventTitle } from '../pages/event.tsx';
import { EventsPage, eventsTitle } from '../pages/events.tsx';
import { readFilters } from '../query.ts';
import { givenReason } from '../reason.ts';

const size = 50;
const exportSize = 500;

const listQuery = strictQuery({
  ...eventFilters,
  since: v.optional(pageTime),
  until: v.optional(pageTime),
  cursor: v.optional(filterText(200)),
});

const askedOf = (c: Context<HttpEnv>): { filter: EventFilter; before: string | null } => {
  const { cursor, ...asked } = readFilters(c, listQuery);
  assertRange(asked);
  return { filter: { ...asked, orgId: orgOf(c, asked.orgId) }, before: idOfCursor(cursor) };
};

const list = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const { filter, before } = askedOf(c);
  const stats = await readEventStats(db, filter);
  const total = stats.pending + stats.applied + stats.failed;
  // Where nothing matches, no index can say so as fast as the counts just did.
  const found = total === 0 ? { events: [], next: null } : await listEvents(db, filter, { limit: size, before });
  const next = found.next === null ? null : encodeCursor(found.next);
  const shown = { events: found.events, next, stats, total, filter, size };
  return answerPage(c, { title: eventsTitle(shown) }, <EventsPage {...shown} />);
};

const download = (c: Context<HttpEnv>) => {
  const { filter } = askedOf(c);
  return csvAnswer(c, {
    name: 'events',
    columns: eventColumns,
    read: async (cursor: string | null) => {
      const { events, next } = await listEvents(c.var.ctx.db, filter, { limit: exportSize, before: cursor });
      return { rows: events, next };
    },
  });
};

/** The event of the path that the actor may see. @throws AppError `not_found` */
const theEvent = async (c: Context<HttpEnv>): Promise<EventRow> => {
  const event = visible(c, await findEvent(c.var.ctx.db, pathId(c)));
  if (event === null) throw new AppError('not_found', 'There is no event with this id');
  return event;
};

const detail = async (c: Context<HttpEnv>) => {
  const { ctx } = c.var;
  const event = await theEvent(c);
  const story = await readStory(ctx.db, event);
  const most = ctx.config.CERT_EVENT_MAX_RETRIES;
  return answerPage(c, { title: eventTitle(event) }, <EventPage {...{ event, story, most }} />);
};

const ask = async (c: Context<HttpEnv>) => {
  const event = await theEvent(c);
  return answerPage(c, { title: 'Replay an event' }, <ReplayEventSheet event={event} />);
};

const tick = v.optional(v.literal('true', 'must be true or absent'));

const replay = async (c: Context<HttpEnv>) => {
  const id = pathId(c);
  const form = await readForm(c);
  const ticks = check(v.object({ force: tick, resetRetry: tick }), Object.fromEntries(form));
  await replayEvent(c, {
    id,
    force: ticks.force === 'true',
    resetRetry: ticks.resetRetry === 'true',
    reason: givenReason(form),
  });
  return seeOther(c, `events/${id}`);
};

/** The ledger, one event of it, and replaying that one. */
export const eventPages = () =>
  new Hono<HttpEnv>()
    .get('/console/events', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/events.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download)
    .get('/console/events/:id', page({ role: 'viewer', scope: 'org' }), detail)
    .get('/console/events/:id/replay', page({ role: 'operator', scope: 'org' }), ask)
    .post('/console/events/:id/replay', page({ role: 'operator', scope: 'org', changes: 'event.replay' }), replay);
