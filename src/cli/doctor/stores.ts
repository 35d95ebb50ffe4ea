import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config.ts';
import { assertDurable, connectDb } from '../../db/client.ts';
import { databaseFacts } from '../../db/inspect.ts';
import { readPassword, USER } from '../../embedded/cluster.ts';
import { findPostmaster } from '../../embedded/postmaster.ts';
import { messageOf, StartError } from '../../errors.ts';
import { withinMs } from '../../queues/bounded.ts';
import { type RedisFacts, redisFacts } from '../../queues/redis-facts.ts';
import { redisStore } from '../../queues/store.ts';
import { type Check, fail, ok, warn } from './check.ts';

const patienceMs = 8000;
const oldestPostgres = 15;

/** The URL of the embedded server while it runs; null when it does not. */
const embeddedUrl = (dataDir: string): string | null => {
  const cluster = path.resolve(dataDir, 'postgres', 'cluster');
  const server = existsSync(cluster) ? findPostmaster(cluster) : undefined;
  return server?.ready === true
    ? `postgres://${USER}:${readPassword(cluster)}@127.0.0.1:${server.port}/postgres`
    : null;
};

/** The code of a fault, from wherever it stands in its causes; never a message, which may hold a part of the URL. */
const codeOf = (error: unknown): string => {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code;
  }
  return 'no reason given';
};

/** Codes that say little to most people, in words. */
const words: Readonly<Record<string, string>> = {
  '28P01': 'user or password is wrong',
  '28000': 'this user may not connect',
  '3D000': 'there is no such database',
};

/** Reachable, new enough, durable and migrated. */
export const checkDatabase = async ({
  DATABASE_URL: set,
  DATABASE_CA: ca,
  NOTAFTER_DATA_DIR: dataDir,
}: Config): Promise<Check[]> => {
  try {
    const url = set ?? embeddedUrl(dataDir);
    if (url !== null) return await checkServer(url, set === undefined ? 'embedded ' : '', ca);
    return [ok('database', 'embedded; it does not run now and starts with notafter')];
  } catch (error) {
    return [
      fail('database', `the embedded server cannot be asked (${codeOf(error)})`, 'run this as the user who started it'),
    ];
  }
};

const checkServer = async (url: string, kind: string, ca: string | undefined): Promise<Check[]> => {
  const db = connectDb(url, { max: 1, name: 'notafter doctor', ca });
  try {
    const asked = databaseFacts(db);
    const outcome = await withinMs(asked, patienceMs);
    if (outcome !== 'done') {
      const why = outcome === 'late' ? 'no answer in time' : (words[codeOf(outcome)] ?? codeOf(outcome));
      return [fail('database', `${kind}PostgreSQL cannot be reached (${why})`, 'check DATABASE_URL and the server')];
    }
    const { version, major, migrationsMissing: missing } = await asked;
    const old = fail('database', `PostgreSQL ${version} is too old`, `upgrade it to ${oldestPostgres} or newer`);
    const behind = warn('migrations', `${missing} to be run`, 'run notafter migrate, or start notafter, which does it');
    return [
      major < oldestPostgres ? old : ok('database', `${kind}PostgreSQL ${version} answers`),
      await assertDurable(db).then(() => ok('durability', 'a commit is on disk when it is answered'), notDurable),
      missing === 0 ? ok('migrations', 'up to date') : behind,
    ];
  } finally {
    await db.close();
  }
};

const notDurable = (error: unknown): Check =>
  fail('durability', messageOf(error), 'set fsync, full_page_writes and synchronous_commit to on');

/** Reachable, new enough, not evicting, and keeping its data over a restart. */
export const checkRedis = async ({
  REDIS_URL: url,
  REDIS_CA: ca,
  NOTAFTER_QUEUE_PREFIX: prefix,
}: Config): Promise<Check[]> => {
  if (url === undefined) return [ok('redis', 'not used: REDIS_URL is not set and queues live in PostgreSQL')];
  const store = redisStore(url, prefix, () => undefined, ca);
  const outcome = await withinMs(store.check(), patienceMs);
  await store.close();
  if (outcome instanceof StartError) return [fail('redis', outcome.message, "mend the server's settings")];
  const facts = redisFacts(url, ca);
  const asked = await withinMs(facts, patienceMs);
  if (outcome === 'done' && asked === 'done') return redisChecks(await facts);
  const why = asked instanceof Error ? codeOf(asked) : 'no answer in time';
  return [
    fail('redis', `Redis cannot be reached (${why})`, 'check REDIS_URL and the server; events wait in the ledger'),
  ];
};

const redisChecks = ({ version, policy, appendOnly }: RedisFacts): Check[] => [
  ok('redis', `Redis ${version} answers, maxmemory-policy ${policy === '' ? 'unknown' : policy}`),
  appendOnly
    ? ok('redis-aof', 'the append-only file is on')
    : warn(
        'redis-aof',
        'the append-only file is off: a restart loses the queues',
        'set appendonly yes; until then the ledger fills them again',
      ),
];
