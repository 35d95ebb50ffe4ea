import { Hono } from 'hono';
import * as v from 'valibot';
import {
  attemptsOf,
  findNotification,
  listNotifications,
  readNotificationStats,
  requeueNotification,
  requeueNotifications,
  stuckNotifications,
} from '../db/notification-reads.ts';
import { notificationStatuses, type NotificationStatus } from '../db/schema-served.ts';
import { AppError } from '../errors.ts';
import { noticeClasses } from '../lifecycle/notice.ts';
import { parseTime } from '../lifecycle/time.ts';
import { requireRole } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { filterText, pathId, queryDomain, queryTime, strictBody, strictQuery } from './filters.ts';
import { check, decodeCursor, encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { bulkRequeueAnswer, notificationDetail, notificationList, requeueAnswer } from './notification-answers.ts';
import { describe } from './openapi.ts';

const tag = 'Notifications';
const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.join(', ')}`);

const common = {
  channel: v.optional(filterText(63)),
  class: v.optional(oneOf(noticeClasses)),
  domain: v.optional(queryDomain),
  orgId: v.optional(filterText(200)),
};

const listQuery = strictQuery({
  ...common,
  status: v.optional(oneOf(notificationStatuses)),
  since: v.optional(queryTime),
  until: v.optional(queryTime),
  limit: queryLimit(500, 200),
  cursor: v.optional(filterText(200)),
});

const bodyTime = v.pipe(
  v.union([v.string(), v.number()], 'must be an RFC 3339 time or epoch milliseconds'),
  v.rawTransform<string | number, number>(({ dataset, addIssue, NEVER }) => {
    const epoch = parseTime(dataset.value);
    if (epoch !== null) return epoch;
    addIssue({ message: 'must be an RFC 3339 time or epoch milliseconds' });
    return NEVER;
  }),
);

const bulkBody = strictBody({
  ...common,
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
});

const listRoute = {
  summary: 'Notifications, newest first',
  tag,
  role: 'viewer',
  query: listQuery,
  answers: {
    200: { about: 'A page of notifications, and counts of all that the filters let through', schema: notificationList },
  },
} as const;

const detailRoute = {
  summary: 'One notification with every try to deliver it',
  tag,
  role: 'viewer',
  path: { id: 'Id of the notification' },
  answers: { 200: { about: 'The notification', schema: notificationDetail } },
  errors: [404],
} as const;

const requeueRoute = {
  summary: 'Deliver a dead or failed notification now, with all its tries before it',
  tag,
  role: 'operator',
  path: { id: 'Id of the notification' },
  body: strictBody({}),
  answers: { 200: { about: 'The notification, pending again', schema: requeueAnswer } },
  errors: [404, 409],
} as const;

const bulkRoute = {
  summary: 'Deliver dead or failed notifications again, the oldest first',
  tag,
  role: 'operator',
  body: bulkBody,
  answers: { 200: { about: 'Those that were found and are pending again', schema: bulkRequeueAnswer } },
} as const;

const missing = (): AppError => new AppError('not_found', 'There is no notification with this id');
const refused = (status: NotificationStatus): AppError =>
  new AppError(
    'conflict',
    status === 'sent' ? 'The notification is sent already' : 'The notification waits to be sent already',
  );

const place = v.strictObject({
  cursor: v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'is not one that this list gave out')),
});
const placeOf = (cursor: string | undefined): number | null =>
  cursor === undefined ? null : Number(check(place, { cursor: decodeCursor(cursor, 1)[0] }).cursor);

/** Reading the outbox, and delivering again what was given up (contract 4 and 6). */
export const notificationRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/notifications', describe(listRoute), requireRole('viewer'), async (c) => {
      const { limit, cursor, ...filter } = readQuery(c, listQuery);
      const before = placeOf(cursor);
      const { db } = c.var.ctx;
      const [stats, page] = await Promise.all([
        readNotificationStats(db, filter),
        listNotifications(db, filter, { limit, before }),
      ]);
      const nextCursor = page.next === null ? null : encodeCursor(String(page.next));
      return c.json({ notifications: page.notifications, nextCursor, stats });
    })
    .get('/v1/admin/notifications/:id', describe(detailRoute), requireRole('viewer'), async (c) => {
      const { db } = c.var.ctx;
      const notification = await findNotification(db, pathId(c));
      if (notification === null) throw missing();
      return c.json({ notification, attempts: await attemptsOf(db, notification.id) });
    })
    .post('/v1/admin/notifications/requeue', describe(bulkRoute), requireRole('operator'), async (c) => {
      const { ctx } = c.var;
      const { limit, dryRun, ...filter } = await readJson(c, bulkBody);
      const found = await stuckNotifications(ctx.db, filter, limit);
      const ids = found.map(({ id }) => id);
      const requeued = dryRun ? [] : await requeueNotifications(ctx.db, ids, ctx.now());
      if (requeued.length > 0) ctx.queues.kickDelivery([...new Set(requeued.map(({ channel }) => channel))]);
      return c.json({ ok: true, dryRun, attempted: found.length, requeued: requeued.length, ids });
    })
    .post('/v1/admin/notifications/:id/requeue', describe(requeueRoute), requireRole('operator'), async (c) => {
      const { ctx } = c.var;
      const id = pathId(c);
      await readJson(c, requeueRoute.body);
      const result = await requeueNotification(ctx.db, id, ctx.now());
      if (result.kind === 'missing') throw missing();
      if (result.kind === 'refused') throw refused(result.status);
      ctx.queues.kickDelivery([result.notification.channel]);
      return c.json({ ok: true, notification: result.notification });
    });
