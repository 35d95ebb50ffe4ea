import type { Db } from './client.ts';
import { asc, inArray, sql } from './drizzle.ts';
import { auditHead } from './schema-access.ts';
import { domainCounts, eventCounts, incidentCounts } from './schema-counts.ts';
import { replays } from './schema-replays.ts';
import { notifications } from './schema-served.ts';
import { events } from './schema.ts';

/** What a part of a page can depend on. */
export const liveTopics = [
  'domains',
  'events',
  'dead-letters',
  'notifications',
  'incidents',
  'replays',
  'audit',
] as const;
export type LiveTopic = (typeof liveTopics)[number];

/** One text for each topic; another text means that something changed. */
export type LiveState = Readonly<Record<LiveTopic, string>>;

/** Reads what moves when something changes: kept counts, the ends of the lists, and how far replays are. */
export const readLiveState = async ({ orm }: Db): Promise<LiveState> => {
  const byStatus = sql`(select string_agg(k, ' ' order by k) from
    (select concat_ws(':', ${domainCounts.tls_status}, ${domainCounts.drift_state}, sum(${domainCounts.n})) as k
      from ${domainCounts} group by ${domainCounts.tls_status}, ${domainCounts.drift_state}) as counted)`;
  const lastDomainEvent = sql`(select max(${domainCounts.last_event_at}) from ${domainCounts})`;
  const eventsByStatus = sql`(select string_agg(k, ' ' order by k) from
    (select concat_ws(':', ${eventCounts.status}, sum(${eventCounts.n})) as k
      from ${eventCounts} group by ${eventCounts.status}) as counted)`;
  const failed = sql`(select concat_ws(':', sum(${eventCounts.n})) from ${eventCounts} where ${eventCounts.status} = 'failed')`;
  const incidents = sql`(select string_agg(k, ' ' order by k) from
    (select concat_ws(':', ${incidentCounts.status}, ${incidentCounts.tier}, sum(${incidentCounts.n})) as k
      from ${incidentCounts} group by ${incidentCounts.status}, ${incidentCounts.tier}) as counted)`;
  const newestEvent = sql`(select ${events.id} from ${events} order by ${events.id} desc limit 1)`;
  const newestNotice = sql`(select concat_ws(':', max(${notifications.seq}), max(${notifications.updated_at})) from
    (select ${notifications.seq}, ${notifications.updated_at} from ${notifications}
      order by ${notifications.seq} desc limit 100) as certificate_notifications)`;
  const deadNotices = sql`(select concat_ws(':', count(*), max(seq)) from
    (select ${notifications.seq} as seq from ${notifications} where ${notifications.status} = 'dead' limit 1000) as dead)`;
  const audit = sql`(select max(${auditHead.seq}) from ${auditHead})`;
  const [[row], running] = await Promise.all([
    orm
      .select({
        domains: sql<string>`concat_ws(' ', ${byStatus}, ${lastDomainEvent})`,
        events: sql<string>`concat_ws(' ', ${eventsByStatus}, ${newestEvent})`,
        'dead-letters': sql<string>`concat_ws(' ', ${failed})`,
        notifications: sql<string>`concat_ws(' ', ${newestNotice}, ${deadNotices})`,
        incidents: sql<string>`concat_ws(' ', ${incidents})`,
        audit: sql<string>`concat_ws(' ', ${audit})`,
      })
      .from(sql`(values (1)) as one`),
    orm
      .select({
        id: replays.id,
        state: replays.state,
        opened: replays.opened,
        skipped: replays.skipped,
        applied: replays.applied,
        failed_again: replays.failed_again,
      })
      .from(replays)
      .where(inArray(replays.state, ['running', 'paused']))
      .orderBy(asc(replays.id))
      .limit(50),
  ]);
  const none = { domains: '', events: '', 'dead-letters': '', notifications: '', incidents: '', audit: '' };
  return { ...(row ?? none), replays: JSON.stringify(running) };
};
