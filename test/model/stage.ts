import { pino } from 'pino';
import { parseConfig } from '../../src/config.ts';
import type { Ctx } from '../../src/context.ts';
import { connectDb, type Db } from '../../src/db/client.ts';
import { createMetrics } from '../../src/metrics.ts';
import { applyEvent } from '../../src/processors/apply-event.ts';
import { applyOpened, groupApplier } from '../../src/processors/apply-group.ts';
import { reconciler } from '../../src/processors/reconcile.ts';
import type { Outcome } from '../../src/queues/catalog.ts';
import { flawsOf, openLedger, type Sql } from '../support/ledger.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { type Actor, openActor } from './actor.ts';
import { nextSchedule, runSchedule, story, type Touched } from './explore.ts';
import { type Job, MemoryQueues } from './memory-queues.ts';

/** What one actor of a scenario does, on its own connection. */
export type Part = (
  ctx: Ctx,
  self: { name: string; pause: (label: string) => Promise<void>; queues: MemoryQueues },
) => Promise<void>;

export interface Scenario {
  /** Fills the empty ledger; what it gives parts and checks find again as `ids`. */
  readonly prepare: (stage: Stage) => Promise<readonly string[]>;
  readonly parts: (ids: readonly string[]) => readonly Part[];
  /** All parts are the same, so that it is enough to let the first begin. */
  readonly alike?: boolean;
  /** What has to be so in the end beside what always holds; throws or gives what is not. */
  readonly check: (stage: Stage, ids: readonly string[]) => Promise<unknown[]>;
}

export interface Found {
  readonly schedules: number;
  readonly deaths: number;
  /** How often nobody but the reconciler carried on what was left. */
  readonly reconciled: number;
  readonly flaws: readonly { readonly story: readonly string[]; readonly flaws: readonly unknown[] }[];
}

/** A database of its own, a queue in memory, and a clock that the test moves. */
export interface Stage {
  readonly sql: Sql;
  readonly db: Db;
  readonly queues: MemoryQueues;
  readonly ctx: Ctx;
  readonly now: () => number;
  /** Runs every schedule of a scenario in which at most so many actors die. */
  explore(scenario: Scenario, deaths: number): Promise<Found>;
  close(): Promise<void>;
}

// What two processes can disturb each other with. All else happens behind locks, or touches nothing that others see.
const steps: readonly (readonly [RegExp, string])[] = [
  [/from custom_domains d\s+where d\.domain = any/, 'lock domains'],
  [/for update of e$/, 'lock events'],
  [/^\s*commit\b/i, 'commit'],
  [/^\s*select status, generation, retry_count/, 'look at the event'],
  [/\bset status = 'pending'/, 'reopen'],
  [/^\s*insert into "custom_domains"/, 'register'],
  [/for update of d skip locked/, 'lock what is due'],
];

const visible = (statement: string): string | null => steps.find(([pattern]) => pattern.test(statement))?.[1] ?? null;

const touched: Readonly<Record<string, Touched>> = {
  'look at the event': { reads: ['events'], writes: [] },
  'lock domains': { reads: ['domains'], writes: ['domain locks'] },
  'lock events': { reads: ['events'], writes: ['event locks'] },
  commit: { reads: [], writes: ['events', 'domains', 'event locks', 'domain locks'] },
  reopen: { reads: [], writes: ['events', 'event locks'] },
  register: { reads: [], writes: ['domains', 'domain locks'] },
};

const jobs: Touched = { reads: [], writes: ['jobs'] };
const locks: Touched = { reads: [], writes: ['event locks', 'domain locks'] };
const nothing: Touched = { reads: [], writes: [] };
// Before these an actor holds nothing.
const begins = new Set(['look at the event', 'lock domains']);

const touches = (label: string, kind: 'step' | 'die' | 'die unheard'): Touched => {
  const step = touched[label];
  if (kind !== 'die') return step ?? jobs;
  return step === undefined ? (label === 'waiting for a lock' ? locks : nothing) : begins.has(label) ? nothing : locks;
};

const unheard = (label: string): boolean => label === 'commit' || label === 'reopen';

const emptied = [
  'certificate_lifecycle_events',
  'cert_event_attempts',
  'cert_event_replays',
  'certificate_incidents',
  'certificate_alerts',
  'certificate_notifications',
  'custom_domains',
  'noted_applications',
  'event_counts',
  'event_hours',
  'domain_counts',
  'incident_counts',
];

const contextOf = (db: Db, queues: Ctx['queues'], now: () => number, maxRetries: number): Ctx => ({
  config: parseConfig({ CERT_EVENT_MAX_RETRIES: String(maxRetries) }, () => ''),
  db,
  queues,
  log: pino({ level: 'silent' }),
  metrics: createMetrics(),
  now,
  elapsed: () => performance.now(),
  resolveTxt: () => Promise.resolve([]),
});

const handle = (ctx: Ctx, { name, data, failedBefore }: Job): Promise<Outcome> => {
  const [id = ''] = data.ids;
  if (name === 'apply-group') return groupApplier(ctx)({ ids: [...data.ids] });
  if (name === 'apply-opened') return applyOpened(ctx, { ids: [...data.ids], generation: data.generation });
  return applyEvent(ctx, { ...data, id }, { failedBefore });
};

/** A worker that runs a job; one that another has in hand it takes over, as if that one had stalled. */
export const work =
  (jobId: string): Part =>
  async (ctx, { name, pause, queues }) => {
    const job = queues.take(jobId, name);
    const outcome = await handle(ctx, job);
    await pause('end the job');
    queues.end(job, name, outcome);
  };

/** Lets everything that is left be carried on, by fresh workers and, where no queue carries it, by the reconciler. */
const carryOn = async (ctx: Ctx, queues: MemoryQueues, passTime: () => void): Promise<number> => {
  let reconciled = 0;
  for (let round = 0; round < 20; round += 1) {
    queues.reclaim();
    for (const job of queues.in('waiting')) {
      const outcome = await handle(ctx, queues.take(job.id, 'rest'));
      queues.end(job, 'rest', outcome);
    }
    if (queues.in('waiting').length > 0) continue;
    passTime();
    const before = queues.jobs.size;
    await reconciler(ctx)(false);
    if (queues.in('waiting').length === 0) return reconciled;
    reconciled += queues.jobs.size > before ? 1 : 0;
  }
  throw new Error('work is left after twenty rounds');
};

/** Waits until the server has done all that dead actors left to it: a statement that waited for a lock still runs to its end. */
const untilGone = (sql: Sql, dead: readonly Actor[]): Promise<unknown> =>
  waitFor(
    async () => {
      const pids = dead.map(({ gate }) => gate.backend());
      const rows = await sql`select from pg_stat_activity where pid = any(${pids}::int[])`;
      return rows.length === 0 ? true : null;
    },
    { timeoutMs: 20_000, intervalMs: 5, what: 'the connections of the dead to end' },
  );

const triesTwice = (sql: Sql) => sql`
  select event_id, generation, attempt, count(*)::int as times from cert_event_attempts group by 1, 2, 3 having count(*) > 1`;

/** Dead letters that the queue does not show, or shows although they are none. */
const wronglyShown = async (sql: Sql, queues: MemoryQueues): Promise<unknown[]> => {
  const rows = await sql<{ id: string }[]>`
    select id || '-' || generation as id from certificate_lifecycle_events where status = 'failed'`;
  const [dead, failed] = [new Set(rows.map(({ id }) => id)), queues.in('failed').map(({ id }) => id)];
  return [
    ...[...dead].filter((id) => !failed.includes(id)).map((id) => ({ flaw: 'a dead letter is not shown', id })),
    ...failed.filter((id) => !dead.has(id)).map((id) => ({ flaw: 'what is no dead letter is shown as one', id })),
  ];
};

/** @param maxRetries failed tries after which an event is given up */
export const openStage = async (maxRetries = 2): Promise<Stage> => {
  const database = await createTestDatabase();
  const sql = await openLedger(database.url);
  const db = connectDb(database.url, { max: 3, name: 'rest' });
  let clock = Date.now();
  const now = (): number => clock;
  let queues = new MemoryQueues(maxRetries);
  const isBlocked = async (backend: number, others: readonly number[]): Promise<boolean> => {
    const [row] = await sql<{ blocked: boolean }[]>`
      with recursive before(pid) as (
        select unnest(pg_blocking_pids(${backend})) union select unnest(pg_blocking_pids(b.pid)) from before b)
      select exists (select 1 from before where pid = any(${[...others]}::int[])) as blocked`;
    return row?.blocked === true;
  };
  const open = (name: string): Promise<Actor> =>
    openActor({
      name,
      databaseUrl: database.url,
      queues: () => queues,
      ctx: (own, theirs) => contextOf(own, theirs, now, maxRetries),
      visible,
    });

  const reset = async (): Promise<void> => {
    queues = new MemoryQueues(maxRetries);
    await sql.unsafe(emptied.map((table) => `delete from ${table}`).join('; '));
  };
  const actors: Actor[] = [];
  const living = async (count: number): Promise<Actor[]> => {
    for (let index = 0; index < count; index += 1) {
      const old = actors[index];
      if (old !== undefined && !old.isDead()) continue;
      await old?.close();
      actors[index] = await open('ABC'[index] ?? 'X');
    }
    return actors.slice(0, count);
  };

  const once = async (scenario: Scenario, deaths: number, prefix: readonly number[]) => {
    await reset();
    const ids = await scenario.prepare(stage);
    const parts = scenario.parts(ids);
    const cast = await living(parts.length);
    // One after the other, so that the steps come in the same order every time.
    for (const [index, actor] of cast.entries()) {
      const part = parts[index];
      if (part !== undefined) actor.start((ctx, self) => part(ctx, { ...self, queues }));
    }
    const { turns, whole } = await runSchedule({ actors: cast, isBlocked, deaths, unheard, touches }, prefix);
    const dead = cast.filter((actor) => actor.isDead());
    if (dead.length > 0) await untilGone(sql, dead);
    if (!whole) return { turns, whole, flaws: [], reconciled: 0, deaths: 0 };
    const faults = cast
      .filter((actor) => actor.fault() !== undefined)
      .map((actor) => ({ flaw: `${actor.name} failed`, why: actor.fault() }));
    const reconciled = await carryOn(contextOf(db, queues, now, maxRetries), queues, () => {
      clock += 4_000_000;
    });
    const flaws = [
      ...faults,
      ...(await flawsOf(sql)),
      ...[...(await triesTwice(sql))].map((row) => ({ ...row, flaw: 'one try is noted twice' })),
      ...(await wronglyShown(sql, queues)),
      ...(await scenario.check(stage, ids)),
    ];
    return { turns, whole, flaws, reconciled, deaths: dead.length };
  };

  const explore = async (scenario: Scenario, most: number): Promise<Found> => {
    let [schedules, deaths, reconciled] = [0, 0, 0];
    const flaws: { story: string[]; flaws: unknown[] }[] = [];
    for (let prefix: number[] | null = []; prefix !== null && flaws.length < 3;) {
      const run = await once(scenario, most, prefix);
      schedules += run.whole ? 1 : 0;
      deaths += run.deaths;
      reconciled += run.reconciled > 0 ? 1 : 0;
      if (run.flaws.length > 0) flaws.push({ story: story(run.turns), flaws: run.flaws });
      prefix = nextSchedule(run.turns, scenario.alike === true);
    }
    return { schedules, deaths, reconciled, flaws };
  };

  const stage: Stage = {
    sql,
    db,
    get queues() {
      return queues;
    },
    get ctx() {
      return contextOf(db, queues, now, maxRetries);
    },
    now,
    explore,
    close: async () => {
      for (const actor of actors) await actor.close();
      await db.close();
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
  return stage;
};
