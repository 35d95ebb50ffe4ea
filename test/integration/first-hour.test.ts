import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DemoOptions, runDemo } from '../../src/cli/demo.ts';
import { runDoctor } from '../../src/cli/doctor.ts';
import type { Check } from '../../src/cli/doctor/check.ts';
import { runFirstEvent } from '../../src/cli/first-event.ts';
import type { CliIo } from '../../src/cli/io.ts';
import { commandEnv } from '../../src/cli/local-secrets.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type App, startApp } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';

let database: TestDatabase;
let app: App;
let out: string[] = [];
let err: string[] = [];
const everything: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  app = await startApp('all', { env: { DATABASE_URL: database.url } });
});
afterAll(async () => {
  await app.stop();
  await database.drop();
});
beforeEach(() => {
  everything.push(...out, ...err);
  out = [];
  err = [];
});

const portOf = (url: string): string => new URL(url).port;

/** The environment of a person beside the server. */
const beside = (): Record<string, string | undefined> => ({
  DATABASE_URL: database.url,
  NOTAFTER_DATA_DIR: app.dataDir,
  PORT: portOf(app.url),
  CERT_METRICS_PORT: portOf(app.metricsUrl),
});

const io = (env: Record<string, string | undefined> = beside(), now: () => number = () => Date.now()): CliIo => ({
  env: commandEnv(env),
  now,
  stdout: (line) => void out.push(line),
  stderr: (line) => void err.push(line),
  fetch,
  columns: 200,
  progress: null,
});

const never = new AbortController().signal;
const demo = (options: Partial<DemoOptions> = {}, signal = never) =>
  runDemo(io(), { domains: 20, seed: 5, rate: 1000, json: true, ...options }, signal);
const said = (): Record<string, unknown> => JSON.parse(out.at(-1) ?? '') as Record<string, unknown>; // asserted below

describe('notafter first-event', () => {
  it('registers a domain, then renews it when it is told again', async () => {
    expect(await runFirstEvent(io(), 'Shop.Example.COM')).toBe(0);
    expect(out[0]).toMatch(/^registered +shop\.example\.com/);
    expect(out[1]).toMatch(/^sent +issuance_succeeded, signed as local:dev: 202, event [0-9a-f-]{36}$/);
    expect(out[2]).toMatch(/^applied +\d+ ms after it was received$/);
    expect(out[3]).toMatch(/^now +shop\.example\.com is issued, its certificate ends \d{4}-/);
    out = [];
    expect(await runFirstEvent(io(), 'shop.example.com')).toBe(0);
    expect(out[0]).toMatch(/^known /);
    expect(out[1]).toMatch(/^sent +renewal_succeeded/);
    expect(err).toEqual([]);
  });

  it.each([
    ['a name that is none', 'not a name', beside, 'must be a host name'],
    ['no tokens', 'a.example', () => ({ PORT: portOf(app.url), NOTAFTER_DATA_DIR: '/nonexistent' }), 'no admin token'],
    ['a token that is wrong', 'a.example', () => ({ ...beside(), NOTAFTER_TOKEN: 'wrong' }), 'admin token is refused'],
    ['no server', 'a.example', () => ({ ...beside(), NOTAFTER_URL: 'http://127.0.0.1:1' }), 'nothing answers'],
    [
      'a key that is wrong',
      'b.example',
      () => ({ ...beside(), NOTAFTER_SOURCE: 'local', NOTAFTER_CLUSTER: 'dev', NOTAFTER_SOURCE_KEY: 'wrong' }),
      'Invalid certificate signature',
    ],
  ])('says what to do: %s', async (_, name, env, message) => {
    expect(await runFirstEvent(io(env()), name)).toBe(1);
    expect(err.join('\n')).toContain(message);
  });
});

describe('notafter demo', () => {
  it('fills the server, and changes nothing when it is run again with the same seed', async () => {
    const now = Date.now();
    expect(
      await runDemo(
        io(beside(), () => now),
        { domains: 40, seed: 5, rate: 100_000, json: true },
        never,
      ),
    ).toBe(0);
    expect(said()).toMatchObject({ domains: 40, duplicates: 0, refused: 0 });
    const events = said()['accepted'];
    const { applied } = said()['events'] as { applied: number }; // the API's stats
    expect(applied).toBeGreaterThan(40);
    const regions = said()['regions'] as Record<string, number>[]; // the API's summary
    const count = (status: string): number => regions.reduce((sum, region) => sum + (region[status] ?? 0), 0);
    const statuses = ['issued', 'expiring', 'tls_error', 'pending_issue', 'pending_route', 'passthrough_unverified'];
    expect(statuses.filter((status) => count(status) === 0)).toEqual([]);

    expect(
      await runDemo(
        io(beside(), () => now),
        { domains: 40, seed: 5, rate: 100_000, json: true },
        never,
      ),
    ).toBe(0);
    expect(said()).toMatchObject({ accepted: events, duplicates: events, refused: 0, events: { applied } });
  });

  it('goes on until it is stopped, and prints a table for people', async () => {
    const stopping = new AbortController();
    const running = demo({ keepGoing: true, json: false, domains: 3 }, stopping.signal);
    setTimeout(() => stopping.abort(), 500);
    expect(await running).toBe(0);
    expect(out.join('\n')).toMatch(/^3 domains; \d+ events accepted/);
    expect(out.join('\n')).toContain('incidents ');
  });
});

const checksOf = async (env: Record<string, string | undefined>, now?: () => number) => {
  const code = await runDoctor(io(env, now), true);
  const { ok, checks } = said() as unknown as { ok: boolean; checks: Check[] }; // the doctor's own JSON
  expect(ok).toBe(code === 0);
  return { code, level: (name: string) => checks.find((check) => check.name === name)?.level, text: out.join('\n') };
};

describe('notafter doctor', () => {
  it('finds all well', async () => {
    const { code, level } = await checksOf(beside());
    expect(code).toBe(0);
    const names = [
      'node',
      'config',
      'data',
      'database',
      'durability',
      'migrations',
      'redis',
      'api',
      'clock',
      'tokens',
      'ingest',
      'metrics',
      'queue',
    ];
    expect(names.map((name) => [name, level(name)])).toEqual(names.map((name) => [name, 'ok']));
  });

  it('prints one line for each check', async () => {
    expect(await runDoctor(io(), false)).toBe(0);
    expect(out).toContainEqual(expect.stringMatching(/^ok +api +http:.* is ready/));
  });

  it('names every problem of the configuration', async () => {
    const { code, text } = await checksOf({ ...beside(), PORT: 'x', CERT_EVENT_MAX_RETRIES: '0' });
    expect(code).toBe(1);
    expect(text).toMatch(/PORT must.*CERT_EVENT_MAX_RETRIES must/);
  });

  it('tells a server that does not run from a port that another program has', async () => {
    const away = await checksOf({ ...beside(), PORT: String(await freePort()), CERT_METRICS_PORT: portOf(app.url) });
    expect([away.code, away.level('api'), away.level('metrics')]).toEqual([1, 'fail', 'fail']);
    expect(away.text).toContain('does not run');
    expect(away.text).toContain('is another program');
  });

  it('sees a database that is away or was never migrated, a wrong key, a wrong clock and a directory it cannot write', async () => {
    const empty = await createTestDatabase({ empty: true });
    const unmigrated = await checksOf({ ...beside(), DATABASE_URL: empty.url });
    await empty.drop();
    expect([unmigrated.code, unmigrated.level('migrations')]).toEqual([0, 'warn']);
    const away = await checksOf({ ...beside(), DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/x' });
    expect(away.level('database')).toBe('fail');
    const key = await checksOf({
      ...beside(),
      NOTAFTER_SOURCE: 'local',
      NOTAFTER_CLUSTER: 'dev',
      NOTAFTER_SOURCE_KEY: 'hidden',
    });
    expect([key.code, key.level('ingest')]).toEqual([1, 'fail']);
    const clock = await checksOf(beside(), () => Date.now() + 600_000);
    expect([clock.level('clock'), clock.level('ingest')]).toEqual(['fail', 'fail']);
    expect(out.join('\n')).not.toContain('hidden');
  });

  it('sees a Redis that is away, evicts, or forgets', async () => {
    const level = async (url: string) => {
      const { level: of } = await checksOf({ ...beside(), REDIS_URL: url });
      return [of('redis'), of('redis-aof')];
    };
    expect(await level('redis://:hidden@127.0.0.1:1')).toEqual(['fail', undefined]);
    const evicting = await startRedis({ settings: { 'maxmemory-policy': 'allkeys-lru' } });
    expect(await level(evicting.url)).toEqual(['fail', undefined]);
    await evicting.stop();
    const forgetful = await startRedis();
    expect(await level(forgetful.url)).toEqual(['ok', 'warn']);
    await forgetful.stop();
    expect(out.join('\n')).not.toContain('hidden');
  });

  it('shows no secret of the server', () => {
    const secrets = readdirSync(path.join(app.dataDir, 'secrets'));
    expect(secrets.length).toBe(6);
    const printed = `${everything.join('\n')}${app.output()}`;
    expect(everything.length).toBeGreaterThan(20);
    for (const name of secrets) {
      expect(printed).not.toContain(readFileSync(path.join(app.dataDir, 'secrets', name), 'utf8').trim());
    }
  });
});

describe('notafter all', () => {
  it('ends well when it is told to while it starts', async () => {
    const starting = await startApp('all', { ready: false });
    await starting.waitForOutput(/creating the embedded database/);
    starting.signal('SIGTERM');
    expect(await starting.exited).toEqual({ code: 0, signal: null });
  });
});

describe('scripts/notafter', () => {
  it('runs from any directory, also through a link, and keeps standard output to the command', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'notafter-link-'));
    const script = fileURLToPath(new URL('../../scripts/notafter', import.meta.url));
    symlinkSync(script, path.join(dir, 'notafter'));
    const { stdout } = await promisify(execFile)(path.join(dir, 'notafter'), ['doctor', '--json'], {
      cwd: dir,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: dir,
        ...Object.fromEntries(Object.entries(beside()).filter(([, value]) => value !== undefined)),
      },
    });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    rmSync(dir, { recursive: true, force: true });
  });
});
