import {
  loopReplays,
  type ReplayLoops,
  silenceOf,
  type SilentSource,
  type SourceRhythm,
} from '../lifecycle/self-watch.ts';
import type { Db } from './client.ts';
import { ms, msOf } from './epoch.ts';

type Reader = Pick<Db, 'sql'>;

/** How regularly each sender has reported; `firstAt` is that of the first event of its source that is kept. */
export const readRhythms = ({ sql }: Reader): Promise<SourceRhythm[]> => sql<SourceRhythm[]>`
  select s.source, nullif(s.cluster_id, '') as "clusterId", s.events_total::float8 as "eventsTotal",
    ${ms(sql, 'first.created_at')} as "firstAt", ${ms(sql, 's.last_seen_at')} as "lastSeenAt"
  from cert_sources s
  cross join lateral (
    select e.created_at from certificate_lifecycle_events e where e.source = s.source order by e.id limit 1) first
  where s.last_seen_at is not null`;

/** Senders that are silent against their own rhythm, those that are so for longest first. */
export const readSilentSources = async (db: Reader, now: number): Promise<SilentSource[]> =>
  (await readRhythms(db)).flatMap((rhythm) => silenceOf(rhythm, now) ?? []).toSorted((a, b) => a.since - b.since);

/** Events that fail again however often they are replayed. */
export const readReplayLoops = async ({ sql }: Reader, orgId: string | null): Promise<ReplayLoops> => {
  const [row] = await sql<{ events: number; since: number | null }[]>`
    select count(*)::int as events, ${msOf(sql, sql`min(failed_at)`)} as since
    from dead_letters where replays >= ${sql.unsafe(String(loopReplays))}
    ${orgId === null ? sql`` : sql`and org_id = ${orgId}`}`;
  return row ?? { events: 0, since: null };
};
