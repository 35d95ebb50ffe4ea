import { planLifeMs, type ReplayFilter } from '../lifecycle/replay.ts';
import type { Db, Orm } from './client.ts';
import { deadLetterWhere, nameIs } from './dead-letters.ts';
import { and, type SQL, sql } from './drizzle.ts';
import { eventWhere } from './event-reads.ts';
import { inTransaction } from './in-transaction.ts';
import type { Candidate } from './reopen.ts';
import { deadLetters, replayParts, replays } from './schema-replays.ts';
import { events } from './schema.ts';

/** Events of one row of `replay_parts`. */
export const partSize = 1000;
/** Most events of one plan; whoever has more narrows the filter, or makes another plan afterwards. */
export const mostPlanned = 1_000_000;

const sampled = 5;
const groupsShown = 5;

const epoch = (expression: SQL): SQL => sql`(extract(epoch from ${expression}) * 1000)::bigint`;

const at = (ms: number): SQL => sql`to_timestamp(${ms}::float8 / 1000)`;

const among = (ids: ReplayFilter['ids'], column: SQL): SQL | undefined =>
  ids === undefined ? undefined : ids.length === 0 ? sql`false` : sql`${column} in ${[...ids]}`;

/** What the filter lets through, as `event_id, domain, source, cluster_id, replays, ended_ms, fingerprint`. */
const picked = ({ status, ids, ...filter }: ReplayFilter): SQL => {
  if (status === 'failed') {
    const where = and(deadLetterWhere(filter), among(ids, sql`${deadLetters.event_id}`)) ?? sql`true`;
    return sql`
      select event_id, domain, source, cluster_id, replays, ${epoch(sql`failed_at`)} as ended_ms, fingerprint
      from ${deadLetters} where ${where}`;
  }
  // Dead letters alone have groups.
  const { domain, fingerprint, ...rest } = filter;
  const where = and(
    eventWhere({ ...rest, status }),
    domain === undefined ? undefined : nameIs(sql`${events.domain}`, domain),
    fingerprint === undefined ? undefined : sql`false`,
    among(ids, sql`${events.id}`),
  );
  return sql`
    select ${events.id} as event_id, domain::text, source, cluster_id, dlq_replay_count as replays,
      ${epoch(sql`coalesce(processed_at, updated_at)`)} as ended_ms, null::text as fingerprint
    from ${events} where ${where}`;
};

/** The first of these events by id, as `openForReplay` takes them. */
export const pickForReplay = async ({ orm }: Db, filter: ReplayFilter, limit: number): Promise<Candidate[]> => {
  const rows = await orm.execute<{ event_id: string; ended_ms: string }>(sql`
    select event_id, ended_ms from (${picked(filter)}) as picked order by event_id limit ${limit}`);
  return rows.map(({ event_id: id, ended_ms: endedAt }) => ({ id, endedAt: Number(endedAt) }));
};

/** What is to be planned, by whom and when (epoch ms). */
export interface Planning {
  readonly filter: ReplayFilter;
  readonly ratePerSecond: number;
  readonly resetRetry: boolean;
  readonly actor: string;
  readonly reason: string | null;
  readonly now: number;
}

const factsOf = sql`
  select (select count(*)::int from picked) as total,
    (select count(*)::int from (select domain from picked group by 1) as one) as domains,
    (select count(*)::int from (select source, cluster_id from picked group by 1, 2) as one) as sources,
    (select count(*)::int from picked where replays > 0) as "replayedBefore",
    (select min(ended_ms)::float8 from picked) as "firstEndedAt", (select max(ended_ms)::float8 from picked) as "lastEndedAt",
    (select coalesce(json_agg(json_build_object('id', event_id, 'domain', domain) order by n), '[]')
     from picked where n < ${sql.raw(String(sampled))}) as sample,
    (select coalesce(json_agg(json_build_object('fingerprint', g.fingerprint, 'errorClass', d.error_class, 'pattern', d.pattern,
        'events', g.events) order by g.events desc, g.fingerprint), '[]')
     from (select fingerprint, count(*)::int as events from picked where fingerprint is not null group by 1
           order by 2 desc, 1 limit ${sql.raw(String(groupsShown))}) as g
     cross join lateral (select error_class, pattern from ${deadLetters} d where d.fingerprint = g.fingerprint limit 1) as d) as groups`;

/**
 * Writes down which events are to be replayed, in one statement: the plan's number is that of the events it holds, and what
 * fails afterwards is not among them. Nothing is opened yet.
 *
 * @returns the plan's id and number; null when there are more than {@link mostPlanned}, and nothing is written
 */
export const savePlan = (db: Db, planning: Planning): Promise<{ id: number; total: number } | null> =>
  inTransaction(db, async ({ orm }) => {
    // Compiling the statement takes longer than running it.
    await orm.execute(sql`select set_config('jit', 'off', true)`);
    return insertPlan(orm, planning);
  });

const insertPlan = async (orm: Orm, planning: Planning): Promise<{ id: number; total: number } | null> => {
  const { filter, ratePerSecond, resetRetry, actor, reason, now } = planning;
  const [row] = await orm.execute<{ id: string | null; total: number }>(sql`
    with picked as materialized (
      select *, (row_number() over (order by event_id) - 1)::int as n from (${picked(filter)} limit ${mostPlanned + 1}) as found
    ), facts as materialized (${factsOf}), plan as (
      insert into ${replays} (state, filter, facts, org_id, force, reset_retry, rate_per_second, reason, planned_by, total, created_at, expires_at)
      select 'planned', ${JSON.stringify(filter)}::text::jsonb, to_jsonb(facts) - 'total', ${filter.orgId ?? null}::text, ${filter.status === 'applied'},
        ${resetRetry}, ${ratePerSecond}, ${reason}::text, ${actor}, total, ${at(now)}, ${at(now + planLifeMs)}
      from facts where total <= ${mostPlanned}
      returning id
    ), parts as (
      insert into ${replayParts} (replay_id, part, event_ids, ended_ms)
      select plan.id, n / ${sql.raw(String(partSize))}, array_agg(event_id order by n), array_agg(ended_ms order by n)
      from picked cross join plan group by 1, 2
    )
    select (select id from plan) as id, total from facts`);
  if (row === undefined || row.id === null) return null;
  return { id: Number(row.id), total: row.total };
};
