import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { credentials, eventBody, register, send } from '../support/driver.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase, startTestPostgres } from '../support/postgres.ts';
import { type App, type Environment, runCli, startApp, startCli } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, type Site } from './site.ts';

const statusOf = async (app: App): Promise<number> => (await fetch(`${app.metricsUrl}/readyz`)).status;
const stackLine = /^\s+at /m;

let site: Site;
let dir: string;
beforeAll(async () => {
  site = await openSite();
  dir = mkdtempSync(path.join(tmpdir(), 'notafter-start-'));
});
afterAll(async () => {
  await site.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The environment of a process that would start, were it not for one thing. */
const sound = (): Record<string, string> => ({
  ...credentials,
  DATABASE_URL: site.databaseUrl,
  REDIS_URL: site.redis.url,
  NOTAFTER_HOST: '127.0.0.1',
  NOTAFTER_DATA_DIR: dir,
  PORT: '0',
  CERT_METRICS_PORT: '0',
});

/** Starts a process that has to refuse; what it says, without the lines of its log. */
const refusal = async (
  role: string,
  env: Environment,
): Promise<{ code: number | null; said: string[]; output: string }> => {
  const { code, output } = await runCli([role], env);
  const said = output.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  return { code, said, output };
};

const elsewhere = (url: string, change: (url: URL) => void): string => {
  const other = new URL(url);
  change(other);
  return other.href;
};

describe('a process that cannot do its work', { concurrent: true, timeout: 60_000 }, () => {
  it.each<[string, string, () => Environment | Promise<Environment>, RegExp]>([
    [
      'a database that does not exist',
      'serve',
      () => ({ DATABASE_URL: elsewhere(site.databaseUrl, (url) => (url.pathname = '/none')) }),
      /DATABASE_URL/,
    ],
    [
      'a database server that is not there',
      'work',
      async () => {
        const port = String(await freePort());
        return { DATABASE_URL: elsewhere(site.databaseUrl, (url) => (url.port = port)) };
      },
      /DATABASE_URL/,
    ],
    ['a DATABASE_URL that is none', 'serve', () => ({ DATABASE_URL: 'localhost' }), /DATABASE_URL must be a URL/],
    ['a REDIS_URL that is none', 'work', () => ({ REDIS_URL: 'localhost' }), /REDIS_URL must be a URL/],
    [
      'a data directory that cannot be written',
      'all',
      () => {
        // A file in its place stops root as well.
        const file = path.join(dir, 'a-file');
        writeFileSync(file, '');
        return { DATABASE_URL: '', REDIS_URL: '', NOTAFTER_DATA_DIR: path.join(file, 'data') };
      },
      /NOTAFTER_DATA_DIR|a-file/,
    ],
  ])('ends with one clear line: %s', async (_what, role, change, line) => {
    const { code, said, output } = await refusal(role, { ...sound(), ...(await change()) });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^notafter: /);
    expect(said[0]).toMatch(line);
    expect(output).not.toMatch(stackLine);
    expect(code).toBe(1);
  });

  it('ends with one clear line: a port that is in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const answers = [
      await refusal('serve', { ...sound(), PORT: port }),
      await refusal('work', { ...sound(), CERT_METRICS_PORT: port }),
    ];
    taken.close();
    expect(answers.map(({ code }) => code)).toEqual([1, 1]);
    expect(answers.map(({ said }) => said)).toEqual([
      [`notafter: port ${port} is in use: set PORT to another`],
      [`notafter: port ${port} is in use: set CERT_METRICS_PORT to another`],
    ]);
  });

  it('ends with one clear line: a server whose commits are not durable', async () => {
    const server = await startTestPostgres({ fsync: 'off' });
    const { code, said } = await refusal('serve', { ...sound(), DATABASE_URL: server.url });
    await server.remove();
    expect(code).toBe(1);
    expect(said).toEqual([expect.stringMatching(/^notafter: .*fsync/)]);
  });

  it('starts all the same without Redis, and says so once', async () => {
    const port = await freePort();
    const env = { ...sound(), REDIS_URL: `redis://127.0.0.1:${port}/0` };
    const [api, worker] = await Promise.all([
      startApp('serve', {
        env: { ...env, PORT: String(await freePort()), CERT_METRICS_PORT: String(await freePort()) },
        ready: false,
      }),
      site.start('work', { env: { REDIS_URL: env.REDIS_URL }, ready: false }),
    ]);
    await Promise.all([api, worker].map((app) => app.waitForOutput(/"started"/)));
    expect(await waitFor(async () => await statusOf(worker))).toBe(503);
    for (const app of [api, worker]) {
      expect(app.output().match(/check REDIS_URL/g)).toHaveLength(1);
      expect(app.output()).not.toMatch(stackLine);
      await app.kill9();
    }
  });
});

describe('a Redis that evicts keys', { timeout: 60_000 }, () => {
  it('stops the start, and makes a worker not ready that runs already', async () => {
    const worker = await site.start('work');
    const policy = (value: string): Promise<unknown> =>
      site.ask((redis) => redis.config('SET', 'maxmemory-policy', value));
    await policy('allkeys-lru');
    const { code, said } = await refusal('serve', sound());
    expect(code).toBe(1);
    expect(said).toEqual([expect.stringMatching(/^notafter: Redis evicts keys .*noeviction/)]);
    await waitFor(async () => (await statusOf(worker)) === 503, {
      timeoutMs: 40_000,
      what: 'the worker not to be ready',
    });
    await policy('noeviction');
    await waitFor(async () => (await statusOf(worker)) === 200, {
      timeoutMs: 40_000,
      what: 'the worker to be ready again',
    });
    await worker.kill9();
  });
});

describe('an empty database', { timeout: 60_000 }, () => {
  it('is set up once by five processes that start at the same time', async () => {
    const database = await createTestDatabase({ empty: true });
    const env = { DATABASE_URL: database.url, NOTAFTER_QUEUE_PREFIX: '{five}' };
    const apps = await Promise.all(Array.from({ length: 5 }, () => site.start('all', { env })));
    const [first] = apps;
    const domain = await register(first?.url ?? '', 'five.example.net');
    const answers = await Promise.all(apps.map(({ url }) => send(url, eventBody(domain, 'renewal_failed'))));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    const sql = postgres(database.url, { max: 1 });
    await waitFor(
      async () => {
        const [row] = await sql<{ n: number }[]>`select cert_failure_count as n from custom_domains`;
        return row?.n === 5;
      },
      { timeoutMs: 15_000, what: 'five failures' },
    );
    await Promise.all(apps.map((app) => app.kill9()));
    await sql.end();
    await database.drop();
  });

  it('is as it was when a migrator is killed half way', async () => {
    const database = await createTestDatabase({ empty: true });
    const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
    const blocker = await sql.reserve();
    // The name is taken until we let go, so the migrator waits in the middle of its work.
    await blocker.unsafe('begin; create table custom_domains (id int)');
    const migrator = await startCli(['migrate'], { DATABASE_URL: database.url });
    await waitFor(
      async () => {
        const rows =
          await sql`select 1 from pg_stat_activity where application_name = 'notafter migrate' and wait_event_type = 'Lock'`;
        return rows.length > 0;
      },
      { timeoutMs: 15_000, what: 'the migrator to be half way' },
    );
    await migrator.kill9();
    await blocker.unsafe('rollback');
    blocker.release();
    const again = await runCli(['migrate'], { DATABASE_URL: database.url });
    expect(again).toMatchObject({ code: 0 });
    const once = await runCli(['migrate'], { DATABASE_URL: database.url });
    expect(once).toMatchObject({ code: 0 });
    const tables = await sql<{ name: string }[]>`select tablename as name from pg_tables where schemaname = 'public'`;
    expect(tables.map(({ name }) => name)).toContain('certificate_lifecycle_events');
    await sql.end();
    await database.drop();
  });
});
