import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { migrate } from '../../src/db/migrate.ts';
import { credentials } from '../support/driver.ts';
import { openLedger, type Sql } from '../support/ledger.ts';
import { createTestDatabase, startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { type App, type Environment, startApp } from '../support/process.ts';
import { type RedisOptions, startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

/** Tries that fail come round soon, and nothing is looked at that does not exist. */
const quick = { CERT_EVENT_BASE_BACKOFF_SECONDS: '1', CERT_PROBE_FALLBACK_ENABLED: 'false' };

/** Prints a figure that a test has measured. */
export const report = (what: string, value: number): void => {
  process.stdout.write(`measured: ${what}: ${value.toFixed(1)}\n`);
};

/** A place with servers of its own where processes of the product run, and a look at its ledger. */
export interface Site {
  readonly sql: Sql;
  readonly redis: TestRedis;
  readonly databaseUrl: string;
  /** The server that `ownPostgres` asked for. */
  readonly postgres: TestPostgres | null;
  /** Starts a process and waits until it is ready, unless told not to. */
  start(role: 'all' | 'serve' | 'work', options?: { env?: Environment; ready?: boolean }): Promise<App>;
  /** Sends a signal to the Redis process. */
  signalRedis(name: NodeJS.Signals): void;
  /** Asks Redis something, by a connection of its own. */
  ask<T>(question: (redis: Redis) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface SiteOptions {
  readonly redis?: RedisOptions;
  readonly env?: Environment;
  /** A database server that this site may take away; without it, a database on the server that all tests share. */
  readonly ownPostgres?: boolean;
}

const openDatabase = async (
  own: boolean,
): Promise<{ url: string; postgres: TestPostgres | null; drop(): Promise<void> }> => {
  if (!own) return { ...(await createTestDatabase()), postgres: null };
  const postgres = await startTestPostgres();
  await migrate(postgres.url);
  return { url: postgres.url, postgres, drop: postgres.remove };
};

const withRedis = async <T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3000, lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
};

const pidOfRedis = (url: string): Promise<number> =>
  withRedis(url, async (redis) => Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1]));

/** Opens a site; `close` ends whatever was started in it. */
export const openSite = async ({
  redis: redisOptions = {},
  env = {},
  ownPostgres = false,
}: SiteOptions = {}): Promise<Site> => {
  const [redis, database] = await Promise.all([startRedis(redisOptions), openDatabase(ownPostgres)]);
  const sql = await openLedger(database.url);
  const apps: App[] = [];
  let redisPid = await pidOfRedis(redis.url);
  const servers = { DATABASE_URL: database.url, REDIS_URL: redis.url, NOTAFTER_HOST: '127.0.0.1' };
  const restart = async (): Promise<void> => {
    await redis.restart();
    redisPid = await pidOfRedis(redis.url);
  };
  return {
    sql,
    redis: { ...redis, restart },
    databaseUrl: database.url,
    postgres: database.postgres,
    start: async (role, { env: more = {}, ready = true } = {}) => {
      const app = await startApp(role, {
        env: { ...servers, ...credentials, ...quick, ...env, ...more },
        ready,
      });
      apps.push(app);
      return app;
    },
    signalRedis: (name) => void process.kill(redisPid, name),
    ask: (question) => withRedis(redis.url, question),
    close: async () => {
      await Promise.all(apps.map((app) => app.kill9()));
      await sql.end({ timeout: 1 });
      await redis.stop();
      await database.drop();
    },
  };
};

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);

/** Sends a signal to every process of a Postgres server: stopped, it takes connections and never answers. */
export const signalPostgres = ({ dataDir }: TestPostgres, name: 'SIGSTOP' | 'SIGCONT'): void => {
  const postmaster = Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);
  const family = [postmaster, ...childrenOf(postmaster)];
  for (const pid of name === 'SIGSTOP' ? family : family.toReversed()) process.kill(pid, name);
};

/** Ends a Postgres server at once, as with `pg_ctl stop -m immediate`: it recovers from its log when it starts again. */
export const stopAtOnce = async ({ dataDir, stop }: TestPostgres): Promise<void> => {
  process.kill(Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT');
  await stop();
};

/** Milliseconds from a moment (epoch ms) until the next event was applied. */
export const untilNextApplication = async (sql: Sql, since: number, timeoutMs = 20_000): Promise<number> =>
  waitFor(
    async () => {
      const [row] = await sql<{ at: number | null }[]>`
        select (extract(epoch from min(at)) * 1000)::float8 as at from noted_applications where at > to_timestamp(${since} / 1000.0)`;
      return typeof row?.at === 'number' ? Math.max(0.001, row.at - since) : null;
    },
    { timeoutMs, what: 'an event to be applied' },
  );
