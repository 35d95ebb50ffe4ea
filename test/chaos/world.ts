// How a world is used (see scenarios/*.ts for many examples):
//
//   const world = await openWorld({ backend: 'redis', seed: 1 });       // servers, proxies, receiver, 2 × serve, 2 × work, domains
//   const drive = await world.drive({ senders: 16 });                   // load that writes down what it sends and is answered
//   await drive.untilAccepted(500);
//   await world.workers[0]?.kill9();                                    // a fault
//   world.measured('s until its work ran again', (await world.untilApplying(Date.now())) / 1000, 's');
//   await drive.stop(); await world.untilSettled();
//   const verdict = await world.check();                                // verdict.flaws must be empty
//   await world.close();
//
// The runner (run.ts) does all but the fault by itself for every Scenario of scenarios/index.ts: it opens the world, runs the
// scenario, stops its drives, waits until all is settled and checks. Events have to be signed: `world.tell` sends one by hand.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { migrate } from '../../src/db/migrate.ts';
import { credentials } from '../support/driver.ts';
import { openLedger, type Sql } from '../support/ledger.ts';
import type { Environment } from '../support/process.ts';
import { askShared } from '../support/shared.ts';
import { waitFor } from '../support/wait.ts';
import type { Cooldowns } from './check-notices.ts';
import { checkWorld } from './checker.ts';
import { type RunningDrive, startDrive } from './drive.ts';
import { openLog } from './log.ts';
import { randomOf } from './random.ts';
import { startReceiver } from './receiver.ts';
import { registerDomains, tellOf } from './registry.ts';
import { createReplica, type OwnedReplica } from './replica.ts';
import type { Drive, DriveOptions, Figure, World, WorldOptions } from './scenario.ts';
import { startWorldPostgres, startWorldRedis } from './servers.ts';
import { sourceKeys } from './workload.ts';

/** What every process of the product is given beside its servers: what waits comes round soon, and nothing is looked at that does not exist. */
const quick = (receiver: string): Environment => ({
  ...credentials,
  NOTAFTER_HOST: '127.0.0.1',
  NOTAFTER_LOG_LEVEL: 'warn',
  CERT_EVENT_SOURCE_KEYS: sourceKeys,
  CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
  CERT_EVENT_MAX_RETRIES: '5',
  CERT_WORKER_INTERVAL_SECONDS: '2',
  CERT_PROBE_FALLBACK_ENABLED: 'false',
  CERT_ALERT_WEBHOOK_URL: `${receiver}/alert-webhook`,
  CERT_RUNBOOK_WEBHOOK_URL: `${receiver}/runbook`,
  CERT_RUNBOOK_SIGNING_SECRET: 'runbook-secret-of-the-test',
});

const settled = async (sql: Sql): Promise<boolean> => {
  const [row] = await sql<{ pending: number; notices: number; looks: number }[]>`
    select (select count(*)::int from unfinished_events where status = 'pending') as pending,
      (select count(*)::int from certificate_notifications where status in ('pending', 'failed')) as notices,
      (select count(*)::int from domain_clocks where look_due_at <= now()) as looks`;
  if (row === undefined || row.pending + row.notices + row.looks > 0)
    throw new Error(`${row?.pending} events, ${row?.notices} notifications and ${row?.looks} domains wait`);
  return true;
};

/** Ms from `since` until the first application after it. */
const nextApplication = (sql: Sql, since: number, timeoutMs: number): Promise<number> =>
  waitFor(
    async () => {
      const [row] = await sql<{ at: number | null }[]>`
        select (extract(epoch from min(at)) * 1000)::float8 as at from noted_applications
        where at > to_timestamp(${since} / 1000.0)`;
      return typeof row?.at === 'number' ? Math.max(0.001, row.at - since) : null;
    },
    { timeoutMs, what: 'an event to be applied' },
  );

const nextAcceptance = (drive: Drive, since: number, timeoutMs: number): Promise<number> =>
  waitFor(
    () => {
      const first = drive.answers().findLast(({ at, status }) => status === 202 && at >= since);
      if (first === undefined) return null;
      const from = drive.answers().find(({ at, status }) => status === 202 && at >= since) ?? first;
      return Math.max(0.001, from.at - since);
    },
    { timeoutMs, what: 'a 202' },
  );

const cooldownsOf = (env: Environment = {}): Cooldowns => ({
  alert: 1000 * Number(env['CERT_ALERT_COOLDOWN_SECONDS'] ?? 1800),
  runbook: 1000 * Number(env['CERT_RUNBOOK_COOLDOWN_SECONDS'] ?? 900),
});

export interface OpenOptions extends WorldOptions {
  /** Part of the name of the run's folder below .data/chaos. */
  readonly name?: string;
  /** Where progress goes beside the log; default nowhere. */
  readonly print?: (line: string) => void;
}

/** A world, and what the runner asks of it beside. */
export interface OpenWorld extends World {
  readonly drives: readonly RunningDrive[];
}

/** Opens a whole installation under test; `close` ends whatever was started in it. */
export const openWorld = async (options: OpenOptions): Promise<OpenWorld> => {
  const { backend, seed, print = () => undefined } = options;
  const log = openLog(options.name ?? `world-${backend}-${seed}`, print);
  const { dir, say } = log;
  log.write({ started: new Date().toISOString(), options: { ...options, print: undefined } });
  await using undo = new AsyncDisposableStack();

  const random = randomOf(seed);
  const cli = await (options.failpoints === true ? failpointCli() : askShared('/build'));
  const postgres = await startWorldPostgres(random, options.postgres);
  undo.defer(postgres.close);
  const redis = backend === 'redis' ? await startWorldRedis(random, options.redis) : null;
  if (redis !== null) undo.defer(redis.close);
  const receiver = await startReceiver();
  undo.defer(receiver.close);
  await migrate(postgres.server.url);
  const sql = await openLedger(postgres.server.url);
  undo.defer(() => sql.end({ timeout: 1 }));

  const env = {
    DATABASE_URL: postgres.url,
    ...(redis !== null && { REDIS_URL: redis.url }),
    ...quick(receiver.url),
    ...options.env,
  };
  const ends: string[] = [];
  const onEnd = (what: string): void => {
    ends.push(what);
    say(what);
  };
  const make = async (role: 'serve' | 'work', count: number): Promise<OwnedReplica[]> => {
    const common = { role, cli, env, wrap: options.wrap ?? [], dir, onEnd };
    const made = await Promise.all(
      Array.from({ length: count }, (_, index) => createReplica({ ...common, name: `${role}-${index}` })),
    );
    for (const replica of made) undo.defer(replica.close);
    return made;
  };
  const [apis, workers] = [await make('serve', options.apis ?? 2), await make('work', options.workers ?? 2)];
  await Promise.all([...apis, ...workers].map((replica) => replica.start()));

  const urls = apis.map((api) => api.app().url);
  const count = options.domains ?? 200;
  const domains = Array.from({ length: count }, (_, n) => `d${n}.chaos.example`);
  const strangers = Array.from({ length: 20 }, (_, n) => `s${n}.unknown.example`);
  const register = (names: readonly string[]): Promise<void> => registerDomains(urls, names);
  await register(domains);
  say(`${apis.length} × serve and ${workers.length} × work on ${backend}, ${count} domains, seed ${seed}`);

  const told = path.join(dir, 'told');
  mkdirSync(told);
  const drives: RunningDrive[] = [];
  const figures: Figure[] = [];
  const world: OpenWorld = {
    backend,
    random,
    sql,
    apis,
    workers,
    redis,
    postgres,
    receiver,
    domains,
    strangers,
    register,
    tell: tellOf(urls, told),
    dir,
    drives,
    figures,
    ends,
    drive: async (given: DriveOptions = {}) => {
      const name = `drive-${drives.length + 1}`;
      const settings = {
        dir: path.join(dir, name),
        ports: given.ports ?? urls.map((url) => Number(new URL(url).port)),
        token: credentials.CERT_EVENT_INGEST_TOKEN,
        name: `s${given.seed ?? seed}-${drives.length + 1}`,
        seed: given.seed ?? seed * 100 + drives.length,
        events: given.events ?? null,
        rate: given.rate ?? null,
        burst: given.burst ?? 1,
        senders: given.senders ?? 32,
        duplicates: given.duplicates ?? 0.02,
        unresolved: given.unresolved ?? 0,
        domains: given.domains ?? domains,
        strangers,
      };
      log.write({ drive: name, ...settings, domains: settings.domains.length, strangers: strangers.length });
      const drive = startDrive(settings);
      drives.push(drive);
      return drive;
    },
    say,
    measured: (what, value, unit) => {
      figures.push({ what, value, unit });
      say(`measured: ${what}: ${Math.round(value * 100) / 100} ${unit}`);
    },
    untilApplying: (since, timeoutMs = 120_000) => nextApplication(sql, since, timeoutMs),
    untilAccepting: (drive, since, timeoutMs = 120_000) => nextAcceptance(drive, since, timeoutMs),
    untilSettled: async (timeoutMs = 120_000) => {
      await waitFor(() => settled(sql), { timeoutMs, intervalMs: 200, what: 'everything to be settled' });
    },
    check: async () => {
      const dirs = [told, ...drives.map((drive) => drive.dir)];
      const mayFail = options.mayFail === true;
      const verdict = await checkWorld({ sql, receiver, dirs, ends, cooldowns: cooldownsOf(options.env), mayFail });
      log.write({ verdict });
      return verdict;
    },
    close: async () => {
      for (const { child } of drives) if (!child.hasExited()) await child.kill9();
      await closing.disposeAsync();
      log.close();
    },
  };
  const closing = undo.move();
  return world;
};

const failpointCli = async (): Promise<string> => (await import('../failpoints/build.ts')).failpointBuild();
