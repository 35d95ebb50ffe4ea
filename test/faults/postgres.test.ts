import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventBody, mixedEvents, registerMany, send, startLoad } from '../support/driver.ts';
import { countOf, flawsOf, untilSettled } from '../support/ledger.ts';
import type { TestPostgres } from '../support/postgres.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, signalPostgres, type Site, stopAtOnce } from './site.ts';

let site: Site;
let postgres: TestPostgres;
let api: App;
beforeAll(async () => {
  site = await openSite({ ownPostgres: true });
  if (site.postgres === null) throw new Error('the site has no server of its own');
  postgres = site.postgres;
  [api] = await Promise.all([site.start('serve'), site.start('work')]);
});
afterAll(() => site.close());

const readyz = async (): Promise<number> => (await fetch(`${api.metricsUrl}/readyz`)).status;

describe('Postgres', { timeout: 60_000 }, () => {
  it('that is stopped at once under load is waited for, and nothing accepted is lost', async () => {
    const domains = await registerMany(api.url, 20, 'postgres.example');
    const load = startLoad({ urls: () => [api.url], next: mixedEvents(domains, 5) });
    const untilAcked = (count: number) =>
      waitFor(() => load.acked.size >= count, { timeoutMs: 30_000, what: `${count} accepted events` });
    await untilAcked(150);
    for (const round of [1, 2]) {
      const from = load.samples.length;
      await stopAtOnce(postgres);
      await waitFor(() => load.samples.slice(from).filter(({ status }) => status === 503).length >= 20, {
        what: 'answers 503',
      });
      expect(await readyz()).toBe(503);
      const refused = load.samples.slice(from).filter(({ status }) => status !== 202);
      expect(new Set(refused.map(({ status, retryAfter }) => `${status} ${retryAfter}`))).toEqual(new Set(['503 2']));
      await postgres.start();
      const back = performance.now();
      const first = await waitFor(() => load.samples.find(({ at, status }) => at > back && status === 202), {
        what: 'a 202',
      });
      report(`ms from Postgres back to the first 202, round ${round}`, first.at - back);
      expect(first.at - back).toBeLessThan(3000);
      await untilAcked(load.acked.size + 150);
    }
    await load.stop();
    await untilSettled(site.sql);
    expect(load.split).toEqual([]);
    expect(await flawsOf(site.sql, load.acked)).toEqual([]);
    expect(await countOf(site.sql, 'failed')).toBe(0);
  });

  it('that takes connections and never answers is told as 503, and what it commits after all is kept', async () => {
    const [domain = ''] = await registerMany(api.url, 1, 'stopped.example');
    const bodies = Array.from({ length: 30 }, () => eventBody(domain, 'renewal_failed'));
    signalPostgres(postgres, 'SIGSTOP');
    const started = performance.now();
    const answers = await Promise.all(bodies.map((body) => send(api.url, body)));
    report('s until a database that does not answer is told as 503', (performance.now() - started) / 1000);
    signalPostgres(postgres, 'SIGCONT');
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.get('retry-after')}`))).toEqual(
      new Set(['503 2']),
    );
    const again = await Promise.all(bodies.map((body) => send(api.url, body)));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set([202]));
    const acked = bodies.map((body, index) => [body.sourceEventId, String(again[index]?.body['eventId'])] as const);
    await untilSettled(site.sql);
    expect(await flawsOf(site.sql, new Map(acked))).toEqual([]);
    const [row] = await site.sql<{ n: number }[]>`
      select cert_failure_count as n from custom_domains where domain = ${domain}`;
    expect(row?.n).toBe(30);
  });

  it('whose connections are cut again and again costs no event and no try', async () => {
    const domains = await registerMany(api.url, 5, 'cut.example');
    const load = startLoad({ urls: () => [api.url], next: mixedEvents(domains, 6) });
    for (let round = 1; round <= 10; round += 1) {
      await waitFor(() => load.acked.size >= 30 * round, { timeoutMs: 30_000, what: 'accepted events' });
      await site.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'notafter%' and pid <> pg_backend_pid()`;
    }
    await load.stop();
    await untilSettled(site.sql);
    expect(await flawsOf(site.sql, load.acked)).toEqual([]);
    const tries = await site.sql`select 1 from cert_event_attempts`;
    expect(tries).toHaveLength(0);
    expect(
      new Set(load.samples.map(({ status }) => status).filter((status) => status !== 202 && status !== 503)),
    ).toEqual(new Set());
  });
});
