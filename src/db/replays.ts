import type { ErrorClass } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { raiseCounters } from './counters.ts';
import { and, desc, eq, getTableColumns, gt, lt, ne, type SQL, sql } from './drizzle.ts';
import { replays, type ReplayState } from './schema-replays.ts';

export type ReplayRow = typeof replays.$inferSelect;

export interface ReplayListFilter {
  readonly state?: ReplayState | undefined;
  readonly orgId?: string | undefined;
}

/**
 * One page of bulk replays, newest first; plans that nobody has executed only where that state is asked for.
 *
 * @param before id that the page starts below; null for the first page
 */
export const listReplays = async (
  { orm }: Db,
  { state, orgId }: ReplayListFilter,
  { limit, before }: { limit: number; before: number | null },
): Promise<{ replays: ReplayRow[]; next: number | null }> => {
  const rows = await orm
    .select(getTableColumns(replays))
    .from(replays)
    .where(
      and(
        state === undefined ? ne(replays.state, 'planned') : eq(replays.state, state),
        orgId === undefined ? undefined : eq(replays.org_id, orgId),
        before === null ? undefined : lt(replays.id, before),
      ),
    )
    .orderBy(desc(replays.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return { replays: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

/** One bulk replay or plan; null when there is none with this id. */
export const findReplay = async ({ orm }: Db, id: number): Promise<ReplayRow | null> => {
  const [row] = await orm.select().from(replays).where(eq(replays.id, id));
  return row ?? null;
};

/** Events of a replay that failed again, by cause. `pattern` is null for those that were replayed once more since. */
export interface ReplayFailure {
  readonly error_class: ErrorClass | null;
  readonly fingerprint: string | null;
  readonly pattern: string | null;
  readonly events: number;
  /** Of those, the ones that will be tried again. */
  readonly retrying: number;
}

const mostFailures = 50;

/** What failed again in a replay, grouped by class and pattern, the most frequent first; fifty groups at most. */
export const readReplayFailures = async ({ sql: query }: Db, id: number): Promise<ReplayFailure[]> =>
  query<ReplayFailure[]>`
    select e.error_class, e.error_fingerprint as fingerprint, e.error_pattern as pattern, count(*)::int as events,
      count(*) filter (where r.result is null)::int as retrying
    from cert_event_replays r
    left join certificate_lifecycle_events e on e.id = r.event_id and e.generation = r.generation and e.error_fingerprint is not null
    where r.replay_id = ${id} and (r.result = 'failed' or (r.result is null and exists (
      select from cert_event_attempts a where a.event_id = r.event_id and a.generation = r.generation)))
    group by 1, 2, 3 order by events desc, 2 limit ${mostFailures}`;

/** How many of a plan's dead letters are not any more as they were planned, and so will be skipped. */
export const countChanged = async ({ sql: query }: Db, id: number): Promise<number> => {
  const [row] = await query<{ changed: number }[]>`
    select count(*) filter (where d.event_id is null)::int as changed
    from replay_parts p cross join unnest(p.event_ids, p.ended_ms) as u(id, ended_ms)
    left join dead_letters d on d.event_id = u.id and (extract(epoch from d.failed_at) * 1000)::bigint = u.ended_ms
    where p.replay_id = ${id}`;
  return row?.changed ?? 0;
};

/** Who changes a replay, and when (epoch ms). */
export interface Change {
  readonly id: number;
  readonly actor: string;
  readonly now: number;
}

/** The replay as it is now, when it was in a state that allows the change; null else, and nothing is changed. */
type Changed = Promise<ReplayRow | null>;

const change = async ({ orm }: Db, where: SQL | undefined, values: Values): Changed => {
  const [row] = await orm.update(replays).set(values).where(where).returning();
  return row ?? null;
};

// What an update may write: values of the columns, or expressions over them.
type Values = { readonly [Column in keyof ReplayRow]?: ReplayRow[Column] | SQL };

const counted = (db: Db, state: 'started' | 'cancelled'): Promise<void> =>
  raiseCounters(db.sql, [{ name: 'fdt_cert_replays_total', labels: { state } }]);

/** Sets a plan going that has not expired; its runner has to be woken afterwards. */
export const startReplay = async (
  db: Db,
  { id, actor, now }: Change,
  { ratePerSecond, reason }: { readonly ratePerSecond?: number | undefined; readonly reason: string | null },
): Changed => {
  const at = new Date(now);
  const row = await change(db, and(eq(replays.id, id), eq(replays.state, 'planned'), gt(replays.expires_at, at)), {
    state: 'running',
    executed_by: actor,
    executed_at: at,
    stepped_at: at,
    ...(ratePerSecond !== undefined && { rate_per_second: ratePerSecond }),
    ...(reason !== null && { reason }),
  });
  if (row !== null) await counted(db, 'started');
  return row;
};

/** Opens no more events until it is resumed; those opened go on. */
export const pauseReplay = (db: Db, id: number): Changed =>
  change(db, and(eq(replays.id, id), eq(replays.state, 'running')), { state: 'paused', paused_because: null });

/** Lets a paused replay go on; what failed so far does not make it pause again. */
export const resumeReplay = (db: Db, { id, now }: Omit<Change, 'actor'>): Changed =>
  change(db, and(eq(replays.id, id), eq(replays.state, 'paused')), {
    state: 'running',
    paused_because: null,
    stepped_at: new Date(now),
    seen_applied: sql`${replays.applied}`,
    seen_failed: sql`${replays.failed_again} + ${replays.retrying}`,
  });

/** Leaves the rest of a replay, or a plan, as it is; what was opened goes on and is still counted. */
export const cancelReplay = async (db: Db, { id, now }: Omit<Change, 'actor'>): Changed => {
  const row = await change(db, and(eq(replays.id, id), sql`${replays.state} in ('planned', 'running', 'paused')`), {
    state: 'cancelled',
    paused_because: null,
    finished_at: sql`case when ${replays.looked} = 0 then ${new Date(now).toISOString()}::timestamptz end`,
  });
  if (row !== null) await counted(db, 'cancelled');
  return row;
};
