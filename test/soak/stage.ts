import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../src/db/migrate.ts';
import { rssOf } from '../bench/stats.ts';
import { type Child, startChild } from '../support/child.ts';
import { credentials, registerMany } from '../support/driver.ts';
import { openLedger, type Sql } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { startTestPostgres } from '../support/postgres.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { Backend } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const gauge = fileURLToPath(new URL('gauge.ts', import.meta.url));

/** Name and secret of the one source that sends. */
export const source = { name: 'soak', cluster: 'eu', secret: 'secret-of-the-soak' } as const;

/** What a process uses; memory in MB. */
export interface Use {
  readonly rss: number;
  /** Heap and buffers after a collection of garbage. */
  readonly heap: number;
  readonly fds: number;
}

export interface Role {
  readonly child: Child;
  readonly port: number;
  use(): Promise<Use>;
}

export interface Stage {
  readonly api: Role;
  readonly worker: Role;
  readonly sql: Sql;
  readonly redis: TestRedis | null;
  readonly domains: readonly string[];
  /** Notices that reached the receiver. */
  received(): number;
  close(): Promise<void>;
}

const mb = 2 ** 20;

const useOf = async (child: Child, file: string): Promise<Use> => {
  rmSync(file, { force: true });
  child.signal('SIGUSR2');
  const text = await waitFor(
    () => {
      if (child.hasExited()) throw new Error(`a process of the product ended:\n${child.output().slice(-2000)}`);
      return readFileSync(file, 'utf8');
    },
    { timeoutMs: 20_000, what: 'a process to collect its garbage' },
  );
  // Written by gauge.ts, whole, with these two numbers.
  const { heapUsed, external } = JSON.parse(text) as { heapUsed: number; external: number };
  return { rss: rssOf(child.pid), heap: (heapUsed + external) / mb, fds: readdirSync(`/proc/${child.pid}/fd`).length };
};

const startRole = async (role: 'serve' | 'work', dir: string, env: Readonly<Record<string, string>>): Promise<Role> => {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = path.join(dir, `${role}.json`);
  const child = startChild(
    process.execPath,
    ['--expose-gc', '--import', gauge, path.join(root, 'dist', 'cli.js'), role],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '/',
        ...env,
        PORT: String(port),
        CERT_METRICS_PORT: String(metricsPort),
        SOAK_GAUGE: file,
      },
    },
  );
  await waitFor(async () => child.hasExited() || (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).ok, {
    timeoutMs: 60_000,
    what: '/readyz',
  });
  if (child.hasExited()) throw new Error(`a process ended before it was ready:\n${child.output()}`);
  return { child, port, use: () => useOf(child, file) };
};

const startReceiver = async () => {
  let received = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      received += 1;
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  // Listening on TCP, the address is never a pipe's name.
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/`, received: () => received, close };
};

const environment = (days: number, receiver: string): Record<string, string> => ({
  ...credentials,
  NOTAFTER_HOST: '127.0.0.1',
  NOTAFTER_LOG_LEVEL: 'warn',
  CERT_EVENT_SOURCE_KEYS: `${source.name}:${source.cluster}=${source.secret}`,
  CERT_PROBE_FALLBACK_ENABLED: 'false',
  CERT_ALERT_WEBHOOK_URL: receiver,
  CERT_ALERT_COOLDOWN_SECONDS: '30',
  CERT_RUNBOOK_COOLDOWN_SECONDS: '30',
  ...Object.fromEntries(
    ['EVENTS', 'NOTIFICATIONS', 'OBSERVATIONS', 'INCIDENTS', 'REPLAYS'].map((of) => [
      `CERT_RETENTION_${of}_DAYS`,
      days.toFixed(6),
    ]),
  ),
  CERT_RETENTION_IDENTITIES_DAYS: (2 * days).toFixed(6),
});

/** Builds the product as it stands, and starts it on servers of its own. @param days age after which everything is removed */
export const openStage = async (backend: Backend, domainCount: number, days: number): Promise<Stage> => {
  execFileSync(process.execPath, ['scripts/setup.mjs', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const dir = mkdtempSync(path.join(tmpdir(), 'notafter-soak-'));
  const closers: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    const postgres = await startTestPostgres({ max_connections: '100', shared_buffers: '256MB' });
    closers.push(postgres.remove);
    await migrate(postgres.url);
    const redis =
      backend === 'redis' ? await startRedis({ appendonly: true, settings: { appendfsync: 'everysec' } }) : null;
    if (redis !== null) closers.push(redis.stop);
    const receiver = await startReceiver();
    closers.push(receiver.close);
    const sql = await openLedger(postgres.url);
    closers.push(() => sql.end({ timeout: 5 }));
    const env = {
      ...environment(days, receiver.url),
      DATABASE_URL: postgres.url,
      NOTAFTER_DATA_DIR: dir,
      ...(redis !== null && { REDIS_URL: redis.url }),
    };
    const api = await startRole('serve', dir, env);
    closers.push(() => api.child.stop());
    const worker = await startRole('work', dir, env);
    closers.push(() => worker.child.stop());
    const domains = await registerMany(`http://127.0.0.1:${api.port}`, domainCount, 'soak.example');
    return { api, worker, sql, redis, domains, received: receiver.received, close };
  } catch (error) {
    await close();
    throw error;
  }
};
