import { Resolver } from 'node:dns/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { cleanups, type Cleanups } from './cleanups.ts';
import { followClock, type SharedClock } from './clock.ts';
import type { Config } from './config.ts';
import type { Ctx } from './context.ts';
import {
  assertDurable,
  connectDb,
  type ConnectOptions,
  type Db,
  isInfrastructureFault,
  keepTypes,
} from './db/client.ts';
import { databaseTime } from './db/clock.ts';
import { migrate } from './db/migrate.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { AppError, messageOf, StartError } from './errors.ts';
import { audienceOf } from './farewell.ts';
import { createApp } from './http/app.ts';
import { metricsApp, type Readiness } from './http/health.ts';
import { ingestSink } from './http/ingest-sink.ts';
import { renderMetrics } from './http/metrics-collect.ts';
import { listen } from './http/server.ts';
import { openLog } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { recordActivity } from './processors/activity.ts';
import { handlersFor } from './processors/index.ts';
import { openWorkTools } from './processors/open-tools.ts';
import { reconciler } from './processors/reconcile.ts';
import { withinMs } from './queues/bounded.ts';
import { jobsOf, type QueueName } from './queues/catalog.ts';
import { type Guardian, startGuardian } from './queues/guardian.ts';
import { type Intervals, openQueues } from './queues/open.ts';
import { postgresStore, redisStore, type Store } from './queues/store.ts';
import { startWorkers } from './queues/workers.ts';
import { type Phase, readinessOf } from './readiness.ts';

export interface Roles {
  readonly api: boolean;
  readonly worker: boolean;
}

export interface RunningApp {
  /** Port of the API; null where the process has no such role. */
  readonly port: number | null;
  readonly metricsPort: number;
  /** Not ready at once, answers what is in flight, finishes what is in hand; resolves within 20 s. */
  readonly stop: () => Promise<void>;
}

const databasePatienceMs = 15_000;
// No statement of the product's own takes half a minute. Those that write events are given up sooner: a connection that leads
// nowhere must not keep events waiting for long.
const [statementSeconds, eventStatementSeconds] = [30, 8];
// As many as groups are committed at once, and one for what is noted beside.
const mostForEvents = 3;
// Apart from those of events: however much somebody asks of the console, events find a connection.
const mostForPeople = 6;
// Many jobs in hand cost little: groups share transactions, the larger the longer those take, and looks mostly wait for servers.
const concurrency = { 'cert-events': 64, probes: 128, maintenance: 4 };
/** Looks at a deployment and second looks have their minute: what is due is asked for at least this often. */
const probeTickSeconds = 15;
const ariTickSeconds = 60;
const policyTickSeconds = 60;
const clockTickMs = 5000;

const elapsed = (): number => performance.now();

const openPool = async (url: string, options: ConnectOptions): Promise<Db> => {
  const db = connectDb(url, options);
  try {
    await assertDurable(db);
    keepTypes(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
};

/** Waits for the database, brings its schema up to date and opens the pool. */
const openDatabase = async (url: string, options: ConnectOptions): Promise<Db> => {
  const started = elapsed();
  for (;;) {
    try {
      await migrate(url, options.ca);
      break;
    } catch (error) {
      if (error instanceof StartError) throw error;
      if (!isInfrastructureFault(error) || elapsed() - started > databasePatienceMs) {
        throw new StartError(`the database cannot be used (${messageOf(error)}): check DATABASE_URL and the server`);
      }
      await sleep(500);
    }
  }
  return openPool(url, options);
};

const openClock = (db: Db, metrics: Metrics, log: Logger): Promise<SharedClock> =>
  followClock(
    { shared: () => databaseTime(db), own: () => Date.now(), elapsed },
    {
      everyMs: clockTickMs,
      onFollowed: (skewMs) => metrics.clockSkew.set(skewMs / 1000),
      onSkew: (skewMs) =>
        log.warn(
          { secondsAhead: Math.round(skewMs / 1000) },
          "this host's clock against the database's, which is used",
        ),
      onError: (error) => log.debug({ why: messageOf(error) }, 'the time was not asked for'),
    },
  );

/** Connections that nothing but ingest uses. */
const openEvents = async (url: string, ca: string | undefined, cleanup: Cleanups): Promise<Db> => {
  const settings = { max: mostForEvents, name: 'notafter events', statementSeconds: eventStatementSeconds, ca };
  const db = await openPool(url, settings);
  cleanup.add('database pool of events', 3000, db.close);
  return db;
};

const openStore = async (config: Config, databaseUrl: string, log: Logger): Promise<Store> => {
  let told = Number.NEGATIVE_INFINITY;
  const onError = (error: Error): void => {
    // A store that is away says so with every try to reach it; one line in ten seconds is enough.
    if (elapsed() - told < 10_000) return;
    told = elapsed();
    log.warn({ why: messageOf(error) }, 'the queue store does not answer');
  };
  const store =
    config.REDIS_URL === undefined
      ? postgresStore(databaseUrl, 12, onError, config.DATABASE_CA)
      : redisStore(config.REDIS_URL, config.NOTAFTER_QUEUE_PREFIX, onError, config.REDIS_CA);
  const checked = await withinMs(store.check(), 5000);
  if (checked instanceof StartError) throw checked;
  if (checked !== 'done')
    log.error('Redis does not answer: events are accepted and wait in the ledger until it does; check REDIS_URL');
  return store;
};

const intervalsOf = ({ CERT_WORKER_INTERVAL_SECONDS: seconds }: Config): Intervals => ({
  'probe-sweep': 1000 * Math.min(seconds, probeTickSeconds),
  'ari-refresh': 1000 * Math.min(seconds, ariTickSeconds),
  'settle-domains': 1000 * Math.min(seconds, probeTickSeconds),
  'dlq-policy': 1000 * Math.min(seconds, policyTickSeconds),
  'self-watch': 1000 * Math.min(seconds, policyTickSeconds),
});

const txtResolver = (servers: readonly string[] | undefined): Ctx['resolveTxt'] => {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  return (name) => resolver.resolveTxt(name);
};

/** Builds and starts everything a process of these roles needs; the only place where clients are made. */
export const startApp = async (
  config: Config,
  roles: Roles,
  log: Logger = openLog(config.NOTAFTER_LOG_LEVEL),
): Promise<RunningApp> => {
  const cleanup = cleanups(log);
  let phase: Phase = 'starting';
  try {
    const embedded =
      config.DATABASE_URL === undefined
        ? await startEmbeddedPostgres({
            dataDir: `${config.NOTAFTER_DATA_DIR}/postgres`,
            log: (line) => log.info(line),
          })
        : null;
    if (embedded !== null) cleanup.add('embedded PostgreSQL', 8000, embedded.stop);
    const [databaseUrl, ca] = [config.DATABASE_URL ?? embedded?.url ?? '', config.DATABASE_CA];
    const db = await openDatabase(databaseUrl, { max: 12, name: 'notafter', statementSeconds, ca });
    cleanup.add('database pool', 3000, db.close);
    const events = roles.api ? await openEvents(databaseUrl, ca, cleanup) : null;
    const store = await openStore(config, databaseUrl, log);
    cleanup.add('queue store', 2000, store.close);
    const queues = openQueues(store, config.CERT_EVENT_MAX_RETRIES, intervalsOf(config));
    cleanup.add('queues', 2000, queues.close);
    const resolveTxt = txtResolver(config.NOTAFTER_DNS_SERVERS);
    const metrics = createMetrics();
    const clock = await openClock(db, metrics, log);
    cleanup.add('clock', 1000, clock.stop);
    const ctx: Ctx = { config, db, queues, log, metrics, now: clock.now, elapsed, resolveTxt };

    cleanup.add('activity', 2000, recordActivity(ctx).stop);
    let guardian: Guardian | null = null;
    const state = { api: roles.api, guardian: () => guardian, phase: () => phase };
    const answer = readinessOf({ ...state, ctx: { ...ctx, db: events ?? db } });
    const { readiness, farewell } = audienceOf(answer, elapsed);
    const metricsServer = await listen(metricsApp(ctx, readiness, renderMetrics), {
      host: config.NOTAFTER_HOST,
      port: config.CERT_METRICS_PORT,
      variable: 'CERT_METRICS_PORT',
      elapsed,
    });
    cleanup.add('metrics server', 2000, () => metricsServer.drain(1000));
    if (roles.worker) guardian = startWorking(ctx, { store, queues, cleanup });
    const port = events === null ? null : await startServing(ctx, { databaseUrl, events, readiness, cleanup });
    phase = 'running';
    log.info({ roles, port, metricsPort: metricsServer.port, queues: store.backend }, 'started');
    return {
      port,
      metricsPort: metricsServer.port,
      stop: async () => {
        phase = 'stopping';
        if (roles.api) await farewell();
        await cleanup.run();
      },
    };
  } catch (error) {
    await cleanup.run();
    throw error;
  }
};

const isClockwork = ({ queue, job }: { readonly queue: QueueName; readonly job: string }): boolean =>
  queue === 'maintenance' || jobsOf(queue).get(job)?.everyMs !== undefined;

interface Serving {
  readonly databaseUrl: string;
  readonly events: Db;
  readonly readiness: () => Promise<Readiness>;
  readonly cleanup: Cleanups;
}

const startServing = async (ctx: Ctx, { databaseUrl, events, readiness, cleanup }: Serving): Promise<number> => {
  const sink = ingestSink({ ...ctx, db: events });
  cleanup.add('ingest', 6000, sink.drain);
  const db = await openPool(databaseUrl, {
    max: mostForPeople,
    name: 'notafter console',
    statementSeconds: ctx.config.NOTAFTER_QUERY_SECONDS,
    ca: ctx.config.DATABASE_CA,
  });
  cleanup.add('database pool of the console', 3000, db.close);
  const app = createApp(ctx, sink, readiness, { ...ctx, db });
  const { NOTAFTER_HOST: host, PORT: port } = ctx.config;
  const server = await listen(app, { host, port, variable: 'PORT', elapsed: ctx.elapsed });
  cleanup.add('API server', 11_000, () => server.drain(10_000));
  return server.port;
};

const startWorking = (
  ctx: Ctx,
  { store, queues, cleanup }: { store: Store; queues: ReturnType<typeof openQueues>; cleanup: Cleanups },
): Guardian => {
  const { config, log } = ctx;
  const stopping = new AbortController();
  const tools = openWorkTools(ctx, { stopping: stopping.signal, random: Math.random });
  const workers = startWorkers(store, handlersFor(ctx, tools), {
    // A job for each channel and some beside them: a slow receiver never holds up another.
    concurrency: { ...concurrency, notifications: tools.notify.channels.size + 4 },
    baseBackoffSeconds: config.CERT_EVENT_BASE_BACKOFF_SECONDS,
    now: ctx.now,
    elapsed,
    onError: (error) => log.debug({ why: messageOf(error) }, 'worker error'),
    // What runs by the clock says nothing new most of the time.
    onJob: (line) => log[isClockwork(line) ? 'debug' : 'info'](line, 'job'),
  });
  // Looks that are under way are cut off, so that their jobs can save what is known and end in time.
  cleanup.add('workers', 8000, () => {
    stopping.abort();
    return Promise.all([workers.close(6000), tools.prober.close()]);
  });
  const guardian = startGuardian({
    store,
    queues,
    workers,
    id: `${hostname().replaceAll(/[^\w]/g, '_')}_${process.pid}`,
    elapsed,
    reconcile: reconciler(ctx),
    onError: (error, what) => {
      const away = isInfrastructureFault(error) || (error instanceof AppError && error.retryable);
      log[away ? 'warn' : 'error']({ why: messageOf(error) }, `failed at ${what}`);
    },
    onDeaf: (queue) => {
      log.fatal({ queue }, 'the worker takes no jobs although the queue answers: leaving so that a new process can');
      process.kill(process.pid, 'SIGTERM');
    },
    onStuck: () => {
      log.fatal(`${store.backend} answers others but not this process: leaving so that a new one can be answered`);
      process.kill(process.pid, 'SIGTERM');
    },
  });
  cleanup.add('guardian', 4000, guardian.stop);
  return guardian;
};
