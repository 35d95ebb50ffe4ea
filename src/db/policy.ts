import type { PolicyLimits } from '../lifecycle/escalation.ts';
import type { FirstOutcome, LetterGroup, PolicyPlan } from '../lifecycle/policy-plan.ts';
import type { FirstReplay, PolicyReport } from '../lifecycle/policy-report.ts';
import type { EventStatus } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { eq } from './drizzle.ts';
import { ms, msOf } from './epoch.ts';
import { policyReports } from './schema-activity.ts';

type Reader = Pick<Db, 'sql'>;

// 'dlqp' in ASCII.
const lockKey = 0x646c7170;
const row = 1;

/** Takes the policy for the caller's transaction; false where another process has it. */
export const takePolicy = async ({ sql }: Reader): Promise<boolean> => {
  const [lock] = await sql<{ taken: boolean }[]>`select pg_try_advisory_xact_lock(${lockKey}) as taken`;
  return lock?.taken === true;
};

/**
 * All dead letters, those of one fingerprint that the policy treats alike as one group. Of a group's times and replays one is
 * given that stands on the same side of every limit as all of them.
 */
export const readLetterGroups = async ({ sql }: Reader, limits: PolicyLimits): Promise<LetterGroup[]> => {
  const { now, maxReplays, cooldownMs, maxAgeMs } = limits;
  return sql<LetterGroup[]>`
    select g.fingerprint, g.pattern, g.error_class as "errorClass", g.replays, g.events,
      ${ms(sql, 'g.created_at')} as "createdAt", ${ms(sql, 'g.failed_at')} as "failedAt",
      ${msOf(sql, sql`min(g.since) over (partition by g.fingerprint)`)} as since,
      ${msOf(sql, sql`max(g.failed_at) over (partition by g.fingerprint)`)} as "lastFailedAt"
    from (
      select fingerprint, min(pattern) as pattern, error_class, max(replays) as replays, count(*)::int as events,
        max(created_at) as created_at, max(failed_at) as failed_at, min(failed_at) as since
      from dead_letters
      group by fingerprint, error_class, replays >= ${maxReplays}, created_at <= to_timestamp(${now - maxAgeMs} / 1000.0),
        failed_at > to_timestamp(${now - cooldownMs} / 1000.0)) g
    order by since, g.fingerprint`;
};

/** A dead letter to replay; `failedAt` is epoch milliseconds. */
export interface PolicyCandidate {
  readonly id: string;
  readonly fingerprint: string;
  readonly failedAt: number;
}

/** The events that a run replays: the oldest first, at most `limit`. Each is held to the limits once more. */
export const readCandidates = async (
  { sql }: Reader,
  { replay }: PolicyPlan,
  { now, maxReplays, cooldownMs, maxAgeMs }: PolicyLimits,
  limit: number,
): Promise<PolicyCandidate[]> => {
  if (replay.length === 0) return [];
  return sql<PolicyCandidate[]>`
    select d.event_id as id, d.fingerprint, ${ms(sql, 'd.failed_at')} as "failedAt"
    from unnest(${replay.map(({ fingerprint }) => fingerprint)}::text[], ${replay.map(({ alone }) => (alone ? 1 : limit))}::int[])
      as g(fingerprint, most)
    cross join lateral (
      select event_id, fingerprint, failed_at from dead_letters
      where fingerprint = g.fingerprint and error_class = 'internal' and replays < ${maxReplays}
        and failed_at <= to_timestamp(${now - cooldownMs} / 1000.0) and created_at > to_timestamp(${now - maxAgeMs} / 1000.0)
      order by event_id limit g.most) d
    order by d.event_id limit ${limit}`;
};

/** What became of the events that were replayed first. */
export const readFirsts = async (
  { sql }: Reader,
  first: Readonly<Record<string, FirstReplay>>,
): Promise<ReadonlyMap<string, FirstOutcome>> => {
  const entries = Object.entries(first);
  if (entries.length === 0) return new Map();
  const rows = await sql<{ id: string; status: EventStatus }[]>`
    select id, status from certificate_lifecycle_events where id = any(${entries.map(([, { eventId }]) => eventId)}::uuid[])`;
  const statuses = new Map(rows.map(({ id, status }) => [id, status]));
  return new Map(
    entries.map(([fingerprint, one]) => [fingerprint, { ...one, status: statuses.get(one.eventId) ?? null }]),
  );
};

/** What the policy did when it last ran; null when it never did. */
export const readPolicyReport = async ({ orm }: Pick<Db, 'orm'>): Promise<PolicyReport | null> => {
  const [found] = await orm
    .select({ report: policyReports.report })
    .from(policyReports)
    .where(eq(policyReports.id, row));
  return found?.report ?? null;
};

export const savePolicyReport = async ({ sql }: Reader, report: PolicyReport): Promise<void> => {
  await sql`
    insert into policy_reports (id, at, report)
    values (${row}, to_timestamp(${report.at} / 1000.0), ${JSON.stringify(report)}::text::jsonb)
    on conflict (id) do update set at = excluded.at, report = excluded.report`;
};
