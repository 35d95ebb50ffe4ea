import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Load, mixedEvents, registerMany, startLoad } from '../support/driver.ts';
import { flawsOf, untilSettled } from '../support/ledger.ts';
import type { TestPostgres } from '../support/postgres.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, signalPostgres, type Site } from './site.ts';

const exitWithinMs = 25_000;

/** Waits for the end of a process that was told to stop, and gives what it ended with and after how long. */
const endOf = async (app: App): Promise<{ code: number | null; ms: number }> => {
  const asked = performance.now();
  const late = sleep(exitWithinMs + 5000, null, { ref: false });
  const exit = await Promise.race([app.exited, late]);
  return { code: exit?.code ?? null, ms: performance.now() - asked };
};

const loadOn = async (apps: readonly App[], suffix: string): Promise<Load> => {
  const [first] = apps;
  const domains = await registerMany(first?.url ?? '', 20, suffix);
  const load = startLoad({ urls: () => apps.map(({ url }) => url), next: mixedEvents(domains, 11) });
  await waitFor(() => load.acked.size >= 100, { timeoutMs: 20_000, what: 'accepted events' });
  return load;
};

describe('SIGTERM under load', { timeout: 60_000 }, () => {
  let site: Site;
  beforeAll(async () => {
    site = await openSite();
  });
  afterAll(() => site.close());

  it('ends every process with 0 and no accepted event is lost', async () => {
    const [first, second, leaving, staying] = await Promise.all([
      site.start('serve'),
      site.start('serve'),
      site.start('work'),
      site.start('work'),
    ]);
    const load = await loadOn([first, second], 'term.example');
    for (const app of [leaving, first]) {
      app.signal('SIGTERM');
      const { code, ms } = await endOf(app);
      report('ms from SIGTERM to the end', ms);
      expect(code).toBe(0);
      expect(ms).toBeLessThan(exitWithinMs);
      const seen = load.acked.size;
      await waitFor(() => load.acked.size > seen + 50, { what: 'the rest to go on' });
    }
    await load.stop();
    await untilSettled(site.sql);
    expect(await flawsOf(site.sql, load.acked)).toEqual([]);
    for (const app of [second, staying]) await app.kill9();
  });

  it('twice in a row is as good as once', async () => {
    const all = await site.start('all');
    const load = await loadOn([all], 'twice.example');
    all.signal('SIGTERM');
    all.signal('SIGTERM');
    expect(await endOf(all)).toMatchObject({ code: 0 });
    const next = await site.start('all');
    await load.stop();
    await untilSettled(site.sql);
    expect(await flawsOf(site.sql, load.acked)).toEqual([]);
    await next.kill9();
  });
});

interface Away {
  readonly leave: (site: Site) => unknown;
  readonly back: (site: Site) => unknown;
}
const postgresOf = (site: Site): TestPostgres => {
  if (site.postgres === null) throw new Error('the site has no server of its own');
  return site.postgres;
};
const aways: Readonly<Record<string, Away>> = {
  'Redis is stopped': { leave: (site) => site.signalRedis('SIGSTOP'), back: (site) => site.signalRedis('SIGCONT') },
  'Redis is killed': { leave: (site) => site.redis.kill9(), back: (site) => site.redis.restart() },
  'Postgres is shut down': { leave: (site) => postgresOf(site).stop(), back: (site) => postgresOf(site).start() },
  'Postgres is stopped': {
    leave: (site) => signalPostgres(postgresOf(site), 'SIGSTOP'),
    back: (site) => signalPostgres(postgresOf(site), 'SIGCONT'),
  },
};

// They wait rather than work, so they wait together.
describe('SIGTERM', { timeout: 120_000, concurrent: true }, () => {
  it.each(Object.entries(aways))(
    'while %s ends with 0 and no accepted event is lost',
    async (what, { leave, back }) => {
      const site = await openSite({ ownPostgres: what.startsWith('Postgres') });
      try {
        const [api, worker] = await Promise.all([site.start('serve'), site.start('work')]);
        const load = await loadOn([api], 'away.example');
        await leave(site);
        const known = load.samples.length;
        await waitFor(() => what === 'Postgres is stopped' || load.samples.length > known + 20, {
          what: 'senders to notice',
        });
        for (const app of [api, worker]) app.signal('SIGTERM');
        const ends = await Promise.all([endOf(api), endOf(worker)]);
        report(`ms from SIGTERM to the end while ${what}`, Math.max(...ends.map(({ ms }) => ms)));
        expect(ends.map(({ code }) => code)).toEqual([0, 0]);
        expect(ends.filter(({ ms }) => ms > exitWithinMs)).toEqual([]);
        await back(site);
        await Promise.all([load.stop(), site.start('work')]);
        await untilSettled(site.sql, 40_000);
        expect(await flawsOf(site.sql, load.acked)).toEqual([]);
      } finally {
        await site.close();
      }
    },
  );
});
