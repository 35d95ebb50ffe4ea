import { Hono } from 'hono';
import * as v from 'valibot';
import { readNotificationStats } from '../db/notification-counts.ts';
import { attemptsOf, findNotification, listNotifications } from '../db/notification-reads.ts';
import { notificationStatuses } from '../db/schema-served.ts';
import { noticeClasses } from '../lifecycle/notice.ts';
import type { HttpEnv } from './env.ts';
import { bodyTime, filterText, pathId, queryDomain, queryTime, remark, strictBody, strictQuery } from './filters.ts';
import { check, decodeCursor, encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { missingNotification, requeue, requeueMany } from './notification-acts.ts';
import { bulkRequeueAnswer, notificationDetail, notificationList, requeueAnswer } from './notification-answers.ts';
import { route } from './route.ts';
import { orgOf, visible } from './scope.ts';

const tag = 'Notifications';
const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.join(', ')}`);

/** Filters of the outbox that the API and the console share. */
export const notificationFilters = {
  channel: v.optional(filterText(63)),
  class: v.optional(oneOf(noticeClasses)),
  domain: v.optional(queryDomain),
  orgId: v.optional(filterText(200)),
};

const listQuery = strictQuery({
  ...notificationFilters,
  status: v.optional(oneOf(notificationStatuses)),
  since: v.optional(queryTime),
  until: v.optional(queryTime),
  limit: queryLimit(500, 200),
  cursor: v.optional(filterText(200)),
});

const bulkBody = strictBody({
  ...notificationFilters,
  status: v.optional(oneOf(['dead', 'failed']), 'dead'),
  since: v.optional(bodyTime),
  until: v.optional(bodyTime),
  limit: v.optional(
    v.pipe(
      v.number('must be a whole number from 1 to 1000'),
      v.integer('must be a whole number from 1 to 1000'),
      v.minValue(1, 'must be a whole number from 1 to 1000'),
      v.maxValue(1000, 'must be a whole number from 1 to 1000'),
    ),
    100,
  ),
  dryRun: v.optional(v.boolean('must be true or false'), false),
  reason: remark,
});

const listRoute = {
  summary: 'Notifications, newest first',
  tag,
  role: 'viewer',
  scope: 'org',
  query: listQuery,
  answers: {
    200: { about: 'A page of notifications, and counts of all that the filters let through', schema: notificationList },
  },
} as const;

const detailRoute = {
  summary: 'One notification with every try to deliver it',
  tag,
  role: 'viewer',
  scope: 'org',
  path: { id: 'Id of the notification' },
  answers: { 200: { about: 'The notification', schema: notificationDetail } },
  errors: [404],
} as const;

const requeueRoute = {
  summary: 'Deliver a dead or failed notification now, with all its tries before it',
  tag,
  role: 'operator',
  scope: 'org',
  changes: 'notification.requeue',
  path: { id: 'Id of the notification' },
  body: strictBody({ reason: remark }),
  answers: { 200: { about: 'The notification, pending again', schema: requeueAnswer } },
  errors: [404, 409],
} as const;

const bulkRoute = {
  summary: 'Deliver dead or failed notifications again, the oldest first',
  tag,
  role: 'operator',
  scope: 'org',
  changes: 'notification.requeue',
  body: bulkBody,
  answers: { 200: { about: 'Those that were found and are pending again', schema: bulkRequeueAnswer } },
} as const;

const place = v.strictObject({
  cursor: v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'is not one that this list gave out')),
});
/** The place in the outbox that a cursor stands for; null without one. */
export const placeOf = (cursor: string | undefined): number | null =>
  cursor === undefined ? null : Number(check(place, { cursor: decodeCursor(cursor, 1)[0] }).cursor);

/** Reading the outbox, and delivering again what was given up (contract 4 and 6). */
export const notificationRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/notifications', route(listRoute), async (c) => {
      const { limit, cursor, ...asked } = readQuery(c, listQuery);
      const filter = { ...asked, orgId: orgOf(c, asked.orgId) };
      const before = placeOf(cursor);
      const { db } = c.var.ctx;
      const [stats, page] = await Promise.all([
        readNotificationStats(db, filter),
        listNotifications(db, filter, { limit, before }),
      ]);
      const nextCursor = page.next === null ? null : encodeCursor(String(page.next));
      return c.json({ notifications: page.notifications, nextCursor, stats });
    })
    .get('/v1/admin/notifications/:id', route(detailRoute), async (c) => {
      const { db } = c.var.ctx;
      const notification = visible(c, await findNotification(db, pathId(c)));
      if (notification === null) throw missingNotification();
      return c.json({ notification, attempts: await attemptsOf(db, notification.id) });
    })
    .post('/v1/admin/notifications/requeue', route(bulkRoute), async (c) => {
      const { limit, dryRun, reason, ...filter } = await readJson(c, bulkBody);
      return c.json({ ok: true, ...(await requeueMany(c, { filter, limit, dryRun, reason })) });
    })
    .post('/v1/admin/notifications/:id/requeue', route(requeueRoute), async (c) => {
      const id = pathId(c);
      const { reason } = await readJson(c, requeueRoute.body);
      return c.json({ ok: true, notification: await requeue(c, { id, reason }) });
    });
