import { cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { type RedisOptions, startRedis } from '../support/redis.ts';
import { startProxy } from './proxy.ts';
import type { Random } from './random.ts';
import type { WorldPostgres, WorldRedis } from './scenario.ts';

const redisSettings = {
  // What was written before a kill is in the system's memory, and with that not lost; a copy of it can be taken at any time.
  appendfsync: 'everysec',
  'auto-aof-rewrite-percentage': '0',
};

const askRedis = async (url: string, words: readonly string[]): Promise<unknown> => {
  const [name = 'PING', ...args] = words;
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3000, lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await redis.call(name, ...args);
  } finally {
    redis.disconnect();
  }
};

/** A Redis with an append-only file behind a proxy; `url` leads through it. */
export const startWorldRedis = async (
  random: Random,
  options: RedisOptions = {},
): Promise<WorldRedis & { readonly url: string; readonly close: () => Promise<void> }> => {
  const settings = { ...redisSettings, ...options.settings };
  const server = await startRedis({ appendonly: true, ...options, settings });
  const proxy = await startProxy({ port: server.port, random });
  const files = path.join(server.dir, 'appendonlydir');
  let copies = 0;
  return {
    server,
    proxy,
    url: `redis://127.0.0.1:${proxy.port}/0`,
    kill9: server.kill9,
    restart: server.restart,
    signal: (name) => void process.kill(server.pid(), name),
    command: (...words) => askRedis(server.url, words),
    snapshot: async () => {
      copies += 1;
      const copy = path.join(server.dir, `copy-${copies}`);
      cpSync(files, copy, { recursive: true });
      return copy;
    },
    rollBack: async (copy) => {
      await server.kill9();
      rmSync(files, { recursive: true, force: true });
      cpSync(copy, files, { recursive: true });
      await server.restart();
    },
    close: async () => {
      await proxy.close();
      await server.stop();
    },
  };
};

const pidOf = ({ dataDir }: TestPostgres): number =>
  Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);

const familyOf = (server: TestPostgres): number[] => {
  const pid = pidOf(server);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return [pid, ...children.trim().split(/\s+/).filter(Boolean).map(Number)];
};

const sendTo = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    // A backend may have ended since the list was made.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};

/** A Postgres behind a proxy; `url` leads through it. */
export const startWorldPostgres = async (
  random: Random,
  settings: Readonly<Record<string, string>> = {},
): Promise<WorldPostgres & { readonly url: string; readonly close: () => Promise<void> }> => {
  const server = await startTestPostgres({ max_connections: '200', ...settings });
  const { port } = new URL(server.url);
  const proxy = await startProxy({ port: Number(port), random, protocol: 'postgres' });
  const end = async (pids: readonly number[], name: NodeJS.Signals): Promise<void> => {
    for (const pid of pids) sendTo(pid, name);
    // Told in the same breath: what ends now is not to be started again before it is asked for.
    await server.stop();
  };
  return {
    server,
    proxy,
    url: Object.assign(new URL(server.url), { port: String(proxy.port) }).href,
    kill9: () => end(familyOf(server), 'SIGKILL'),
    stopAtOnce: () => end([pidOf(server)], 'SIGQUIT'),
    restart: server.start,
    signal: (name) => {
      const pids = familyOf(server);
      for (const pid of name === 'SIGSTOP' ? pids : pids.toReversed()) sendTo(pid, name);
    },
    close: async () => {
      await proxy.close();
      await server.remove();
    },
  };
};
