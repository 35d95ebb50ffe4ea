import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../ops/support/files.ts';
import { credentials, type EventBody, mixedEvents, registerMany, send } from '../support/driver.ts';
import { countOf, flawsOf, openLedger, untilSettled } from '../support/ledger.ts';
import { type App, runCli, startApp } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { startDebianPostgres } from './debian-postgres.ts';

const cleanup = new AsyncDisposableStack();
afterAll(() => cleanup.disposeAsync());

const execute = promisify(execFile);
const figure = (what: string, value: number, unit: string): void =>
  void process.stdout.write(`measured: ${what}: ${value.toFixed(1)} ${unit}\n`);

/** Sends each event until it is accepted, and remembers under which id. */
const sendAll = async (url: string, events: readonly EventBody[], acked: Map<string, string>): Promise<void> => {
  for (const event of events) {
    const answer = await send(url, event);
    expect(answer).toMatchObject({ status: 202 });
    acked.set(event.sourceEventId, String(answer.body['eventId']));
  }
};

describe('the drill', { timeout: 180_000 }, () => {
  it('restores a backup that is older than Redis, and loses nothing that the senders still have', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'notafter-drill-'));
    cleanup.defer(() => rmSync(dir, { recursive: true, force: true }));
    const server = await startDebianPostgres();
    cleanup.defer(server.stop);
    const redis = await startRedis({ appendonly: true });
    cleanup.defer(() => redis.stop());
    const shell = async (file: string, args: readonly string[], env: Readonly<Record<string, string>>) =>
      (await execute(file, args, { cwd: root, env: { ...server.env, ...env } })).stdout;
    const owner = { PGUSER: 'notafter_owner', PGPASSWORD: 'owner-password', PGDATABASE: 'notafter' };
    const urlOf = (name: string, password: string): string =>
      `postgres://${name}:${password}@127.0.0.1:${server.port}/notafter`;
    const makeDatabase = async (): Promise<void> => {
      const passwords = { OWNER_PASSWORD: owner.PGPASSWORD, APP_PASSWORD: 'app-password' };
      await shell('psql', ['-Xq', '--set=ON_ERROR_STOP=1', '--file=ops/postgres/roles.sql', 'postgres'], passwords);
    };
    const ownerUrl = urlOf('notafter_owner', owner.PGPASSWORD);
    const migrate = () =>
      runCli(['migrate', '--grant-to', 'notafter'], { DATABASE_URL: ownerUrl, REDIS_URL: redis.url });
    const start = async (): Promise<App> => {
      const app = await startApp('all', {
        env: {
          ...credentials,
          DATABASE_URL: urlOf('notafter', 'app-password'),
          REDIS_URL: redis.url,
          NOTAFTER_HOST: '127.0.0.1',
          NOTAFTER_LOG_LEVEL: 'warn',
          CERT_PROBE_FALLBACK_ENABLED: 'false',
          CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
          CERT_EVENT_MAX_RETRIES: '2',
        },
      });
      cleanup.defer(async () => void (await app.kill9()));
      return app;
    };

    await makeDatabase();
    expect(await migrate()).toMatchObject({ code: 0 });
    const before = await openLedger(ownerUrl);
    const first = await start();
    const domains = await registerMany(first.url, 20, 'drill.example.org');
    const next = mixedEvents(domains, 32);
    const sent = Array.from({ length: 200 }, next);
    const lost = Array.from({ length: 200 }, next);
    const acked = new Map<string, string>();
    const load = sendAll(first.url, sent, acked);
    // Nobody registers this one: it is a dead letter when the backup is made, or about to be one.
    await sendAll(first.url, [{ ...next(), domain: 'nobody.example.org' }], acked);
    await waitFor(() => acked.size > 100, { what: 'half of the events' });
    const file = path.join(dir, 'notafter.dump');
    const began = performance.now();
    expect(await shell('ops/backup', [file], owner)).toContain('the backup is in');
    figure('backup', (performance.now() - began) / 1000, 's');
    await load;
    await sendAll(first.url, lost, acked);
    await untilSettled(before);
    expect(existsSync(`${file}.part`)).toBe(false);
    expect(statSync(file).mode & 0o077).toBe(0);
    // The disaster: the process, the database and its roles are gone; Redis knows more than the backup.
    await first.kill9();
    await before.end();
    await shell('psql', ['-Xq', '--command=drop database notafter with (force)', 'postgres'], {});
    await shell('psql', ['-Xq', '--command=drop role notafter', '--command=drop role notafter_owner', 'postgres'], {});

    const lostAt = performance.now();
    await makeDatabase();
    expect(await shell('ops/restore', [file], owner)).toContain('is restored');
    await expect(shell('ops/restore', [file], owner)).rejects.toThrow('is not empty');
    expect(await migrate()).toMatchObject({ code: 0 });
    // What the checker put into the database was in the backup, too.
    const after = postgres(ownerUrl, { max: 2, onnotice: () => undefined });
    cleanup.defer(() => after.end());
    const kept = new Set(
      (await after<{ id: string }[]>`select id from certificate_lifecycle_events`).map(({ id }) => id),
    );
    expect(kept.size).toBeGreaterThan(100);
    expect(kept.size).toBeLessThan(400);
    const second = await start();
    figure('from an empty server to ready', (performance.now() - lostAt) / 1000, 's');
    await untilSettled(after);
    const again = new Map<string, string>();
    await sendAll(second.url, [...sent, ...lost], again);
    await untilSettled(after);
    figure('from an empty server to all applied again', (performance.now() - lostAt) / 1000, 's');

    const renamed = [...again].filter(([one, id]) => kept.has(acked.get(one) ?? '') && id !== acked.get(one));
    expect(renamed).toEqual([]);
    expect(await flawsOf(after, again)).toEqual([]);
    expect(await countOf(after, 'applied')).toBe(400);
    expect(await countOf(after, 'failed')).toBe(1);
    expect(second.output()).not.toMatch(/permission denied|"level":[56]0/);
    expect((await second.stop(25_000)).code).toBe(0);
  });
});
