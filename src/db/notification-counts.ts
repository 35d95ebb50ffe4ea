import type { Db } from './client.ts';
import { and, asc, eq, gte, type SQL, sql } from './drizzle.ts';
import { msOf } from './epoch.ts';
import { conditions, type NotificationFilter } from './notification-reads.ts';
import { notificationCounts } from './schema-counts.ts';
import { notifications, type NotificationStatus } from './schema-served.ts';

export type NotificationStats = Readonly<Record<NotificationStatus, number>>;

const statsOf = (rows: readonly { readonly status: NotificationStatus; readonly n: number }[]): NotificationStats => {
  const countOf = (wanted: NotificationStatus): number => rows.find(({ status }) => status === wanted)?.n ?? 0;
  return { pending: countOf('pending'), failed: countOf('failed'), sent: countOf('sent'), dead: countOf('dead') };
};

/** Whether the kept counts know everything that the filter asks. */
const isKept = ({ domain, since, until, ids }: NotificationFilter): boolean =>
  [domain, since, until, ids].every((given) => given === undefined);

const readKept = async ({ orm }: Db, filter: NotificationFilter): Promise<NotificationStats> => {
  const { status, channel, class: noticeClass, orgId } = filter;
  const t = notificationCounts;
  const given: (SQL | undefined)[] = [
    status === undefined ? undefined : eq(t.status, status),
    channel === undefined ? undefined : eq(t.channel, channel),
    noticeClass === undefined ? undefined : eq(t.class, noticeClass),
    orgId === undefined ? undefined : eq(t.org_id, orgId),
  ];
  const n = sql`sum(${t.n})`.mapWith(Number);
  const rows = await orm
    .select({ status: t.status, n })
    .from(t)
    .where(and(...given))
    .groupBy(t.status);
  return statsOf(rows);
};

/**
 * Counts of all notifications the filter lets through, whatever page is shown. Kept ones, unless a domain or a time is named.
 *
 * @param most where rows have to be counted, at most so many are: the sum then is exactly this
 */
export const readNotificationStats = async (
  db: Db,
  filter: NotificationFilter,
  most?: number,
): Promise<NotificationStats> => {
  if (isKept(filter)) return readKept(db, filter);
  const found = db.orm
    .select({ status: notifications.status })
    .from(notifications)
    .where(and(...conditions(filter)));
  const counted = (most === undefined ? found : found.limit(most)).as('counted');
  const rows = await db.orm
    .select({ status: counted.status, n: sql`count(*)`.mapWith(Number) })
    .from(counted)
    .groupBy(counted.status);
  return statsOf(rows);
};

/** A channel whose last word was a refusal: what died since it last took something. */
export interface BrokenChannel {
  readonly channel: string;
  readonly dead: number;
  /** Of these, such that wake somebody. */
  readonly critical: number;
  /** Epoch ms. */
  readonly since: number;
  /** What was said when the newest of them died. */
  readonly error: string | null;
}

const mostLooked = 1000;
const longest = '9223372036854775807';

/**
 * Channels that took nothing since something to them died, the one with most dead first. Of each the newest 1,000 dead ones
 * are looked at.
 */
export const readBrokenChannels = async (
  { sql: pg }: Pick<Db, 'sql'>,
  orgId: string | undefined,
): Promise<BrokenChannel[]> => {
  // Rows are compared whole and ordered by all columns of the index: left to itself, PostgreSQL walks the outbox from its end
  // until it meets a channel, which for a rare one is never.
  const within = (t: string, status: NotificationStatus) => pg`
    (${pg(t)}.channel, ${pg(t)}.status, ${pg(t)}.seq) between (h.channel, ${status}::text, 0) and (h.channel, ${status}::text, ${longest}::int8)`;
  const newest = (t: string) => pg`order by ${pg(t)}.channel desc, ${pg(t)}.status desc, ${pg(t)}.seq desc`;
  const ofOrg = orgId === undefined ? pg`` : pg`and org_id = ${orgId}`;
  return pg<BrokenChannel[]>`
    with hurt as (
      select channel from notification_counts where status = 'dead' ${ofOrg} group by channel having sum(n) > 0)
    select h.channel, d.dead, d.critical, d.since, d.error
    from hurt h
    left join lateral (
      select max(sent_at) as at from (
        select sent_at from certificate_notifications s where ${within('s', 'sent')}
        ${newest('s')} limit 100) as last) taken on true
    cross join lateral (
      select max(updated_at) as at from (
        select updated_at from certificate_notifications l
        where ${within('l', 'dead')} ${ofOrg}
        ${newest('l')} limit 20) as latest) died
    cross join lateral (
      select count(*)::int as dead, (count(*) filter (where severity = 'critical'))::int as critical,
        ${msOf(pg, pg`min(updated_at)`)} as since, (array_agg(last_error order by updated_at desc))[1] as error
      from (
        select severity, updated_at, last_error from certificate_notifications n
        where ${within('n', 'dead')} ${ofOrg} and (taken.at is null or died.at > taken.at)
        ${newest('n')} limit ${mostLooked}) as newest
      where taken.at is null or newest.updated_at > taken.at) d
    where d.dead > 0
    order by d.critical desc, d.dead desc, h.channel
    limit 10`;
};

/** Names of the channels that something was ever decided for, in order; at most 200. */
export const readChannelNames = async ({ orm }: Db, orgId: string | undefined): Promise<string[]> => {
  const rows = await orm
    .select({ channel: notificationCounts.channel })
    .from(notificationCounts)
    .where(orgId === undefined ? undefined : eq(notificationCounts.org_id, orgId))
    .groupBy(notificationCounts.channel)
    .orderBy(asc(notificationCounts.channel))
    .limit(200);
  return rows.map(({ channel }) => channel);
};

/** What became of the notifications decided since a time (epoch ms), of at most 10,000: how many, and how long half of them took. */
export interface DeliveryDay {
  readonly decided: number;
  readonly sent: number;
  readonly dead: number;
  /** Milliseconds from the decision to the receiver's answer; null where nothing was sent. */
  readonly halfWithinMs: number | null;
}

export const mostOfADay = 10_000;

/** How delivery went since a time (epoch ms). */
export const readDeliveryDay = async ({ orm }: Db, since: number, orgId: string | undefined): Promise<DeliveryDay> => {
  const { status, created_at, sent_at, org_id } = notifications;
  const found = orm
    .select({
      status,
      ms: sql`case when ${sent_at} is not null then extract(epoch from ${sent_at} - ${created_at}) * 1000 end`.as('ms'),
    })
    .from(notifications)
    .where(and(gte(created_at, new Date(since)), orgId === undefined ? undefined : eq(org_id, orgId)))
    .limit(mostOfADay)
    .as('found');
  const [row] = await orm
    .select({
      decided: sql`count(*)`.mapWith(Number),
      sent: sql`count(*) filter (where ${found.status} = 'sent')`.mapWith(Number),
      dead: sql`count(*) filter (where ${found.status} = 'dead')`.mapWith(Number),
      half: sql<string | null>`percentile_cont(0.5) within group (order by ${found.ms})`,
    })
    .from(found);
  const { half = null, ...counts } = row ?? { decided: 0, sent: 0, dead: 0 };
  return { ...counts, halfWithinMs: half === null ? null : Number(half) };
};
