import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { connectDb } from '../../src/db/client.ts';
import { importDomains } from '../../src/db/domain-import.ts';
import { migrate } from '../../src/db/migrate.ts';
import { startEmbeddedPostgres } from '../../src/embedded.ts';
import { startRedis } from '../support/redis.ts';
import { cpuOf, cpuOfFamily } from './stats.ts';
import { domainCount, domainName } from './workload.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Database {
  readonly url: string;
  readonly sql: postgres.Sql;
  drop(): Promise<void>;
}

/** PostgreSQL and Redis for a whole run of the benchmark, each a process of its own. */
export interface Infrastructure {
  readonly redisUrl: string;
  /** A folder for whatever else the run writes; removed at the end. */
  readonly folder: string;
  readonly versions: string;
  /** A fresh database with the domains registered, on a server without work left over, and an empty Redis. */
  fresh(): Promise<Database>;
  /** Milliseconds of CPU used so far. */
  cpu(): { postgres: number; redis: number };
  stop(): Promise<void>;
}

const silent = () => undefined;

const seed = async (url: string): Promise<void> => {
  await migrate(url);
  const db = connectDb(url, { max: 1, name: 'bench' });
  const patch = { verified: true, tlsMode: 'termination', region: 'eu-central', orgId: 'shops' } as const;
  const patches = new Map(Array.from({ length: domainCount }, (_, index) => [domainName(index), patch]));
  await importDomains(db, patches, { now: Date.now(), warnDays: 30, slaWarningHours: 72 });
  await db.sql`vacuum analyze`;
  await db.close();
};

const at = (url: string, database: string): string => Object.assign(new URL(url), { pathname: `/${database}` }).href;

/** Starts both servers: PostgreSQL as the product starts its embedded one, fsync on; Redis with an append-only file, synced every second. */
export const startInfrastructure = async (): Promise<Infrastructure> => {
  mkdirSync(path.join(root, '.data'), { recursive: true });
  const folder = mkdtempSync(path.join(root, '.data', 'bench-'));
  const dataDir = path.join(folder, 'postgres');
  const server = await startEmbeddedPostgres({ dataDir, log: silent, settings: { max_connections: '200' } });
  const redis = await startRedis({ appendonly: true, settings: { appendfsync: 'everysec' } });
  const admin = postgres(server.url, { max: 1, onnotice: silent });
  const cache = new Redis(redis.url);
  await admin`create database template_bench`;
  await seed(at(server.url, 'template_bench'));
  const postmaster = Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);
  const redisPid = Number(/process_id:(\d+)/.exec(await cache.info('server'))?.[1]);
  const [version] = await admin<{ v: string }[]>`select current_setting('server_version') as v`;
  const redisVersion = /redis_version:(\S+)/.exec(await cache.info('server'))?.[1] ?? '';
  return {
    redisUrl: redis.url,
    folder,
    versions: `PostgreSQL ${version?.v ?? ''}, Redis ${redisVersion}, Node ${process.versions.node}`,
    fresh: async () => {
      await cache.flushall();
      const name = `bench_${randomUUID().replaceAll('-', '')}`;
      await admin.unsafe(`create database ${name} template template_bench`);
      await admin`checkpoint`;
      const url = at(server.url, name);
      const sql = postgres(url, { max: 2, onnotice: silent });
      return {
        url,
        sql,
        drop: async () => {
          await sql.end();
          await admin.unsafe(`drop database ${name} with (force)`);
        },
      };
    },
    cpu: () => ({ postgres: cpuOfFamily(postmaster), redis: cpuOf(redisPid) }),
    stop: async () => {
      cache.disconnect();
      await admin.end();
      await redis.stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
