import type { NoticeClass } from '../lifecycle/notice.ts';
import type { Db } from './client.ts';
import { and, asc, desc, eq, getTableColumns, gte, inArray, lt, type SQL, sql } from './drizzle.ts';
import type { EventRow } from './event-reads.ts';
import { notificationAttempts, notifications, type NotificationStatus } from './schema-served.ts';
import { events } from './schema.ts';

/** Filters of the outbox; `since` (inclusive) and `until` (exclusive) are epoch milliseconds of the decision. */
export interface NotificationFilter {
  readonly status?: NotificationStatus | undefined;
  readonly channel?: string | undefined;
  readonly class?: NoticeClass | undefined;
  readonly domain?: string | undefined;
  readonly orgId?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Only these. */
  readonly ids?: readonly string[] | undefined;
}

const { seq: _seq, ...columns } = getTableColumns(notifications);

/** A notification as callers see it: every column but its place in the outbox. */
export type NotificationRow = Omit<typeof notifications.$inferSelect, 'seq'>;

/** A filter as conditions on the outbox. */
export const conditions = (filter: NotificationFilter): SQL[] => {
  const { status, channel, class: noticeClass, domain, orgId, since, until, ids } = filter;
  return [
    ...(status === undefined ? [] : [eq(notifications.status, status)]),
    ...(channel === undefined ? [] : [eq(notifications.channel, channel)]),
    ...(noticeClass === undefined ? [] : [eq(notifications.class, noticeClass)]),
    ...(domain === undefined ? [] : [eq(notifications.domain, domain)]),
    ...(orgId === undefined ? [] : [eq(notifications.org_id, orgId)]),
    ...(since === undefined ? [] : [gte(notifications.created_at, new Date(since))]),
    ...(until === undefined ? [] : [lt(notifications.created_at, new Date(until))]),
    ...(ids === undefined ? [] : [sql`${notifications.id} = any(${sql.param([...ids])}::uuid[])`]),
  ];
};

/**
 * One page of notifications, newest first.
 *
 * @param before place that the page starts below; null for the first page
 * @returns the rows, and the place to continue below, null on the last page
 */
export const listNotifications = async (
  { orm }: Db,
  filter: NotificationFilter,
  { limit, before }: { readonly limit: number; readonly before: number | null },
): Promise<{ notifications: NotificationRow[]; next: number | null }> => {
  const rows = await orm
    .select()
    .from(notifications)
    .where(and(...conditions(filter), ...(before === null ? [] : [lt(notifications.seq, before)])))
    .orderBy(desc(notifications.seq))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return {
    notifications: page.map(({ seq: _place, ...row }) => row),
    next: rows.length > limit ? (page.at(-1)?.seq ?? null) : null,
  };
};

/** One notification; null when there is none with this id. */
export const findNotification = async ({ orm }: Db, id: string): Promise<NotificationRow | null> => {
  const [row] = await orm.select(columns).from(notifications).where(eq(notifications.id, id));
  return row ?? null;
};

const { notification_id: _of, id: _id, ...attemptColumns } = getTableColumns(notificationAttempts);

/** The tries of a notification in the order they were made. */
export const attemptsOf = ({ orm }: Db, id: string) =>
  orm
    .select(attemptColumns)
    .from(notificationAttempts)
    .where(eq(notificationAttempts.notification_id, id))
    .orderBy(asc(notificationAttempts.id));

/** The tries of several notifications, all in the order they were made. */
export const attemptsOfAll = async ({ orm }: Db, ids: readonly string[]) =>
  ids.length === 0
    ? []
    : orm
        .select({ notification_id: notificationAttempts.notification_id, ...attemptColumns })
        .from(notificationAttempts)
        .where(inArray(notificationAttempts.notification_id, [...ids]))
        .orderBy(asc(notificationAttempts.id));

/** What the history of a domain or an event tells of a notification. */
const told = {
  id: notifications.id,
  notice: notifications.kind,
  action: notifications.action,
  class: notifications.class,
  severity: notifications.severity,
  route: notifications.route,
  channel: notifications.channel,
  summary: notifications.summary,
  status: notifications.status,
  tries: notifications.tries,
  last_error: notifications.last_error,
  created_at: notifications.created_at,
  sent_at: notifications.sent_at,
};

/** Notifications about a domain, the newest first. */
export const domainNotifications = ({ orm }: Db, domainId: string, limit: number) =>
  orm
    .select(told)
    .from(notifications)
    .where(eq(notifications.domain_id, domainId))
    .orderBy(desc(notifications.seq))
    .limit(limit);

const mostDeliveries = 100;

/**
 * What was sent about a domain while an event was the last one applied to it: from then until the next event was applied,
 * oldest first.
 */
export const deliveriesAfter = (
  { orm }: Db,
  event: Pick<EventRow, 'id' | 'domain' | 'domain_id' | 'status' | 'processed_at'>,
) => {
  const { domain, domain_id: domainId, status, processed_at: from } = event;
  if (domainId === null || status !== 'applied' || from === null) return Promise.resolve([]);
  const next = sql`(select min(e.processed_at) from ${events} e
    where e.domain = ${domain} and e.status = 'applied' and e.processed_at > ${from.toISOString()})`;
  return orm
    .select(told)
    .from(notifications)
    .where(
      and(
        eq(notifications.domain_id, domainId),
        gte(notifications.created_at, from),
        sql`${notifications.created_at} < coalesce(${next}, 'infinity')`,
      ),
    )
    .orderBy(asc(notifications.seq))
    .limit(mostDeliveries);
};

/** A notification that is pending again. */
export interface Requeued {
  readonly id: string;
  readonly channel: string;
}

const pendingAgain = (now: number) => ({
  status: 'pending' as const,
  tries: 0,
  requeues: sql`${notifications.requeues} + 1`,
  next_attempt_at: new Date(now),
  updated_at: new Date(now),
});

const isStuck = sql`${notifications.status} in ('dead', 'failed')`;

/** Makes a dead or failed notification pending, with all its tries before it; `from` is how it was. */
export const requeueNotification = (
  { orm }: Db,
  id: string,
  now: number,
): Promise<
  | {
      readonly kind: 'requeued';
      readonly from: Pick<NotificationRow, 'status' | 'tries'>;
      readonly notification: NotificationRow;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'refused'; readonly status: NotificationStatus; readonly org_id: string | null }
> =>
  orm.transaction(async (tx) => {
    const own = eq(notifications.id, id);
    const { status: was, tries, org_id } = columns;
    const [found] = await tx.select({ status: was, tries, org_id }).from(notifications).where(own).for('update');
    if (found === undefined) return { kind: 'missing' };
    const { org_id: owner, ...from } = found;
    const [row] = await tx.update(notifications).set(pendingAgain(now)).where(and(own, isStuck)).returning(columns);
    return row === undefined
      ? { kind: 'refused', status: from.status, org_id: owner }
      : { kind: 'requeued', from, notification: row };
  });

/** The dead or failed notifications that the filter lets through, the oldest first. */
export const stuckNotifications = ({ orm }: Db, filter: NotificationFilter, limit: number): Promise<Requeued[]> =>
  orm
    .select({ id: notifications.id, channel: notifications.channel })
    .from(notifications)
    .where(and(isStuck, ...conditions(filter)))
    .orderBy(asc(notifications.seq))
    .limit(limit);

/** Makes these pending again, those that are still dead or failed. @returns the ones that were. */
export const requeueNotifications = ({ orm }: Db, ids: readonly string[], now: number): Promise<Requeued[]> =>
  orm
    .update(notifications)
    .set(pendingAgain(now))
    .where(and(sql`${notifications.id} = any(${sql.param([...ids])}::uuid[])`, isStuck))
    .returning({ id: notifications.id, channel: notifications.channel });
