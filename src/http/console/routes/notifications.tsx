import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { listAudit } from '../../../db/audit-reads.ts';
import {
  readBrokenChannels,
  readChannelNames,
  readDeliveryDay,
  readNotificationStats,
} from '../../../db/notification-counts.ts';
import {
  attemptsOf,
  findNotification,
  listNotifications,
  type NotificationFilter,
  type NotificationRow,
} from '../../../db/notification-reads.ts';
import { notificationStatuses } from '../../../db/schema-served.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, pathId, strictQuery } from '../../filters.ts';
import { encodeCursor } from '../../input.ts';
import { missingNotification, requeue } from '../../notification-acts.ts';
import { notificationFilters, placeOf } from '../../notifications.ts';
import { orgOf, visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { answerPage, seeOther } from '../page.tsx';
import { NotificationPage } from '../pages/notification.tsx';
import { NotificationsPage, notificationsTitle } from '../pages/notifications.tsx';
import { readFilters } from '../query.ts';
import { filterTime, momentOf } from '../times.ts';

const size = 50;
const exportSize = 500;
const dayMs = 86_400_000;
// One more than is shown as a number: `10,000+`.
const mostCounted = 10_001;

const query = strictQuery({
  ...notificationFilters,
  status: v.optional(v.picklist(notificationStatuses, `must be one of ${notificationStatuses.join(', ')}`)),
  since: v.optional(filterTime),
  until: v.optional(filterTime),
  cursor: v.optional(filterText(200)),
  requeued: v.optional(v.pipe(v.string(), v.regex(/^\d{1,4}$/, 'must be a number'), v.transform(Number))),
});

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, since, until, requeued = null, ...asked } = readFilters(c, query);
  const now = c.var.ctx.now();
  const filter: NotificationFilter = {
    ...asked,
    orgId: orgOf(c, asked.orgId),
    since: momentOf(since, now),
    until: momentOf(until, now),
  };
  return { cursor, filter, requeued };
};

const statsOf = async (c: Context<HttpEnv>, { status: _tab, ...filter }: NotificationFilter) => {
  const { db } = c.var.ctx;
  const stats = await readNotificationStats(db, filter, mostCounted);
  const all = stats.pending + stats.failed + stats.sent + stats.dead;
  if (all !== mostCounted) return { stats, most: Infinity };
  // The count ended before all were seen: those that gave up are counted by themselves.
  const { dead } = await readNotificationStats(db, { ...filter, status: 'dead' }, mostCounted);
  return { stats: { ...stats, dead }, most: mostCounted };
};

const list = async (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const { cursor, filter, requeued } = askedOf(c);
  const { orgId } = filter;
  const [found, counts, broken, channels, day] = await Promise.all([
    listNotifications(db, filter, { limit: size, before: placeOf(cursor) }),
    statsOf(c, filter),
    attempt(c, 'broken channels', readBrokenChannels(db, orgId)),
    readChannelNames(db, orgId),
    attempt(c, 'deliveries of the day', readDeliveryDay(db, now() - dayMs, orgId)),
  ]);
  const props = { ...counts, broken: broken ?? [], channels, day, requeued, size };
  const next = found.next === null ? null : encodeCursor(String(found.next));
  return answerPage(
    c,
    { title: notificationsTitle(props) },
    <NotificationsPage {...props} rows={found.notifications} next={next} />,
  );
};

const show = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const notification = visible(c, await findNotification(db, pathId(c)));
  if (notification === null) throw missingNotification();
  const { id, summary, status } = notification;
  const of = { action: 'notification.requeue', objectType: 'notification', objectId: id };
  const [attempts, requeues] = await Promise.all([
    attemptsOf(db, id),
    notification.requeues === 0 ? { rows: [] } : listAudit(db, of, { limit: 50, before: null }),
  ]);
  const state = status === 'dead' ? 'Dead: ' : '';
  return answerPage(
    c,
    { title: `${state}${summary}` },
    <NotificationPage {...{ notification, attempts }} requeues={requeues.rows} />,
  );
};

const tryNow = async (c: Context<HttpEnv>) => {
  const { id } = await requeue(c, { id: pathId(c) });
  return seeOther(c, `notifications/${id}`);
};

const exported = [
  'id',
  'created_at',
  'status',
  'kind',
  'action',
  'class',
  'severity',
  'route',
  'channel',
  'domain',
  'org_id',
  'summary',
  'tries',
  'requeues',
  'last_error',
  'next_attempt_at',
  'sent_at',
  'updated_at',
] as const satisfies readonly (keyof NotificationRow)[];

const columns: readonly CsvColumn<NotificationRow>[] = exported.map((name) => ({ name, value: (row) => row[name] }));

const download = (c: Context<HttpEnv>) => {
  const { filter } = askedOf(c);
  return csvAnswer(c, {
    name: 'notifications',
    columns,
    read: async (before: number | null) => {
      const { notifications: rows, next } = await listNotifications(c.var.ctx.db, filter, {
        limit: exportSize,
        before,
      });
      return { rows, next };
    },
  });
};

/** The outbox, its export, and single notifications. */
export const notificationPages = () =>
  new Hono<HttpEnv>()
    .get('/console/notifications', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/notifications.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download)
    .get('/console/notifications/:id', page({ role: 'viewer', scope: 'org' }), show)
    .post(
      '/console/notifications/:id/requeue',
      page({ role: 'operator', scope: 'org', changes: 'notification.requeue' }),
      tryNow,
    );
