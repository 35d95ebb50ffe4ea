import { cycleMs, type RetentionName } from '../lifecycle/retention.ts';
import type { Db, Tx } from './client.ts';
import { addToCounter } from './counters.ts';
import { msOf } from './epoch.ts';
import { accessAttemptsStep, identitiesStep, sessionsStep } from './retention-access.ts';
import { eventsStep, notedEventsStep } from './retention-events.ts';
import type { Step } from './retention-step.ts';
import { incidentsStep, notificationsStep, observationsStep, replaysStep } from './retention-tables.ts';

const steps = {
  events: eventsStep,
  noted_events: notedEventsStep,
  identities: identitiesStep,
  notifications: notificationsStep,
  observations: observationsStep,
  incidents: incidentsStep,
  replays: replaysStep,
  sessions: sessionsStep,
  access_attempts: accessAttemptsStep,
} as const satisfies Record<RetentionName, Step>;

/** Two ways out of one table. */
const counted: Partial<Record<RetentionName, RetentionName>> = { noted_events: 'events' };

interface WalkRow {
  readonly position: string | null;
  readonly resting: boolean;
}

const takeWalk = async (tx: Tx, name: RetentionName, restMs: number, now: number): Promise<WalkRow | undefined> => {
  await tx`insert into retention_walks (name) values (${name}) on conflict (name) do nothing`;
  const [row] = await tx<WalkRow[]>`
    select position, position is null and coalesce(finished_at > to_timestamp(${now - restMs} / 1000.0), false) as resting
    from retention_walks where name = ${name} for update skip locked`;
  return row;
};

/**
 * Takes the next step of a round through one table, in a transaction of its own with how far it came: a process that dies
 * leaves both or neither, and of two that meet, one goes on to something else.
 *
 * @param days age of what is removed, above 0
 * @param now epoch ms
 * @returns rows removed; null when the round is over, or another process is at it
 */
export const stepRetention = (
  { sql }: Pick<Db, 'sql'>,
  name: RetentionName,
  days: number,
  now: number,
): Promise<number | null> =>
  sql.begin(async (tx) => {
    const walk = await takeWalk(tx, name, cycleMs(name, days), now);
    if (walk === undefined || walk.resting) return null;
    // Looked up by key, however few rows the planner believes there are; and a lock that somebody holds is not waited for.
    await tx`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
      set_config('enable_bitmapscan', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true), set_config('lock_timeout', '500ms', true)`;
    const cutoff = now - days * 86_400_000;
    const { last, removed } = await steps[name](tx, { after: walk.position, cutoff, now });
    await tx`
      update retention_walks set position = ${last}::text, removed = removed + ${removed},
        started_at = case when ${walk.position === null} then to_timestamp(${now} / 1000.0) else started_at end,
        finished_at = case when ${last === null} then to_timestamp(${now} / 1000.0) else finished_at end
      where name = ${name}`;
    if (removed > 0)
      await addToCounter(
        tx,
        { name: 'fdt_cert_retention_removed_total', labels: { of: counted[name] ?? name } },
        removed,
      );
    return last === null && removed === 0 ? null : removed;
  });

/** How far retention came with one table; times are epoch milliseconds. */
export interface RetentionState {
  readonly name: RetentionName;
  /** When the last whole round ended, or where none did yet, when the first began. */
  readonly roundAt: number | null;
  /** Rows removed so far. */
  readonly removed: number;
}

/** What retention has done, by table; a table that it never came to is left out. */
export const readRetention = async ({ sql }: Pick<Db, 'sql'>): Promise<RetentionState[]> =>
  sql<RetentionState[]>`
    select name, ${msOf(sql, sql`coalesce(finished_at, started_at)`)} as "roundAt", removed::float8 as removed from retention_walks order by name`;
