import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Child } from '../support/child.ts';
import { credentials, mixedEvents, registerMany, startLoad } from '../support/driver.ts';
import { countOf, flawsOf, openLedger, untilSettled } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { type Environment, runCli, startCli } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { type PreviousRelease, unpackPrevious } from './previous.ts';

type Start = (args: readonly string[], env: Environment) => Child | Promise<Child>;

interface Running {
  readonly child: Child;
  readonly url: string;
}

let previous: PreviousRelease;
let dir: string;
const cleanup = new AsyncDisposableStack();

beforeAll(() => {
  previous = unpackPrevious();
  cleanup.defer(() => previous.remove());
  dir = mkdtempSync(path.join(tmpdir(), 'notafter-rolling-'));
  cleanup.defer(() => rmSync(dir, { recursive: true, force: true }));
});
afterAll(() => cleanup.disposeAsync());

const launch = async (start: Start, role: 'serve' | 'work', env: Environment): Promise<Running> => {
  const [port, metricsPort] = [String(await freePort()), String(await freePort())];
  const child = await start([role], { ...env, PORT: port, CERT_METRICS_PORT: metricsPort });
  cleanup.defer(async () => void (await child.kill9()));
  const ready = async (): Promise<boolean> =>
    child.hasExited() || (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).ok;
  await waitFor(ready, { timeoutMs: 60_000, what: `${role} to be ready` });
  if (child.hasExited()) throw new Error(`it ended at once:\n${child.output()}`);
  return { child, url: `http://127.0.0.1:${port}` };
};

describe.each(['redis', 'postgres'] as const)(
  'a rolling upgrade with queues in %s',
  { timeout: 180_000 },
  (backend) => {
    it('loses nothing and refuses nobody while both releases run on one database', async () => {
      const database = await createTestDatabase({ empty: true });
      cleanup.defer(() => database.drop());
      const redis = backend === 'redis' ? await startRedis({ appendonly: true }) : null;
      if (redis !== null) cleanup.defer(() => redis.stop());
      const env = {
        ...credentials,
        DATABASE_URL: database.url,
        ...(redis !== null && { REDIS_URL: redis.url }),
        NOTAFTER_HOST: '127.0.0.1',
        NOTAFTER_DATA_DIR: dir,
        NOTAFTER_LOG_LEVEL: 'warn',
        CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
        CERT_PROBE_FALLBACK_ENABLED: 'false',
      };
      const [oldApi, oldWorker] = [
        await launch(previous.start, 'serve', env),
        await launch(previous.start, 'work', env),
      ];
      const sql = await openLedger(database.url);
      cleanup.defer(() => sql.end());
      const domains = await registerMany(oldApi.url, 20, `${backend}.example.org`);
      const urls = [oldApi.url];
      const load = startLoad({ urls: () => urls, next: mixedEvents(domains, 31), senders: 6, pauseMs: 5 });
      /** Until so many more were accepted, and all that were accepted until then are applied. */
      const untilMore = async (count: number, what: string): Promise<void> => {
        const goal = load.acked.size + count;
        await waitFor(() => load.acked.size >= goal, { timeoutMs: 120_000, what: `events, ${what}` });
        await waitFor(async () => (await countOf(sql, 'applied')) >= goal, {
          timeoutMs: 120_000,
          what: `work, ${what}`,
        });
      };
      await untilMore(50, 'before');

      // The first migrator is killed while it waits behind a reader, as behind a long query; the second comes to its end.
      const holder = await sql.reserve();
      await holder`begin`;
      await holder`lock table drizzle.__drizzle_migrations in access exclusive mode`;
      const killed = await startCli(['migrate'], env);
      await waitFor(
        async () =>
          (
            await sql`select 1 from pg_stat_activity where application_name = 'notafter migrate' and wait_event_type = 'Lock'`
          ).length > 0,
        { timeoutMs: 30_000, what: 'the migrator to wait' },
      );
      await killed.kill9();
      await holder`rollback`;
      holder.release();
      expect(await runCli(['migrate'], env)).toMatchObject({ code: 0 });
      await untilMore(50, 'the previous release on the new schema');

      const newApi = await launch(startCli, 'serve', env);
      urls.push(newApi.url);
      await untilMore(50, 'both APIs, the previous worker');
      const newWorker = await launch(startCli, 'work', env);
      await untilMore(50, 'both releases');
      expect((await oldWorker.child.stop(25_000)).code).toBe(0);
      await untilMore(50, 'both APIs, the new worker');
      urls.splice(0, 1);
      // What is on its way to it is answered first, as a balancer that takes a process out lets it.
      await untilMore(50, 'the API of this release alone');
      expect((await oldApi.child.stop(25_000)).code).toBe(0);
      await untilMore(50, 'only this release');

      await load.stop();
      await untilSettled(sql);
      expect(load.samples.filter(({ status }) => status !== 202)).toEqual([]);
      expect(load.split).toEqual([]);
      expect(await flawsOf(sql, load.acked)).toEqual([]);
      expect((await newWorker.child.stop(25_000)).code).toBe(0);
      expect((await newApi.child.stop(25_000)).code).toBe(0);
    });
  },
);
