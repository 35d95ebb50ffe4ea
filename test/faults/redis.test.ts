import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventBody, type Load, mixedEvents, quantile, registerMany, send, startLoad } from '../support/driver.ts';
import { countOf, flawsOf, untilApplied, untilSettled } from '../support/ledger.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, type Site, untilNextApplication } from './site.ts';

let site: Site;
let api: App;
let worker: App;
let domains: string[];
beforeAll(async () => {
  site = await openSite({ redis: { appendonly: true } });
  [api, worker] = await Promise.all([site.start('serve'), site.start('work')]);
  domains = await registerMany(api.url, 30, 'redis.example');
});
afterAll(() => site.close());

let seed = 100;
const underLoad = (): Load => startLoad({ urls: () => [api.url], next: mixedEvents(domains, (seed += 1)) });
const untilAcked = (load: Load, count: number): Promise<unknown> =>
  waitFor(() => load.acked.size >= count, { timeoutMs: 20_000, what: `${count} accepted events` });

const readiness = async (app: App): Promise<{ status: number; queues: string }> => {
  const response = await fetch(`${app.metricsUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: Record<string, string> }; // the shape of /readyz
  return { status: response.status, queues: checks['queues'] ?? '' };
};

/** Ends the load, waits until all is done, and gives everything that is not as it must be. */
const flawsAfter = async (load: Load): Promise<unknown[]> => {
  await load.stop();
  await untilSettled(site.sql);
  const refused = load.samples.filter(({ status }) => status !== 202);
  return [...load.split, ...refused, ...(await flawsOf(site.sql, load.acked))];
};

const appendOnly = (): string => path.join(site.redis.dir, 'appendonlydir');

describe('Redis', { timeout: 60_000 }, () => {
  it.each([
    ['with its data', () => undefined],
    ['without any data', () => rmSync(appendOnly(), { recursive: true, force: true })],
  ])('that is killed under load and comes back %s loses nothing', async (_how, change) => {
    const load = underLoad();
    await untilAcked(load, 100);
    await site.redis.kill9();
    change();
    await untilAcked(load, load.acked.size + 100);
    await site.redis.restart();
    const ms = await untilNextApplication(site.sql, Date.now());
    report('ms from Redis back to events being applied', ms);
    expect(ms).toBeLessThan(5000);
    await untilAcked(load, load.acked.size + 100);
    expect(await flawsAfter(load)).toEqual([]);
    expect(await countOf(site.sql, 'failed')).toBe(0);
  });

  it('that is restored from an older copy of its data loses nothing', async () => {
    const copy = path.join(site.redis.dir, 'older');
    const load = underLoad();
    await untilAcked(load, 100);
    cpSync(appendOnly(), copy, { recursive: true });
    await untilAcked(load, load.acked.size + 200);
    await site.redis.kill9();
    rmSync(appendOnly(), { recursive: true });
    cpSync(copy, appendOnly(), { recursive: true });
    await site.redis.restart();
    await untilAcked(load, load.acked.size + 100);
    expect(await flawsAfter(load)).toEqual([]);
    expect(await countOf(site.sql, 'failed')).toBe(0);
  });

  it('that is flushed under load loses nothing', async () => {
    const load = underLoad();
    for (const _round of [1, 2, 3]) {
      await untilAcked(load, load.acked.size + 60);
      await site.ask((redis) => redis.flushall());
    }
    expect(await flawsAfter(load)).toEqual([]);
    expect(await countOf(site.sql, 'failed')).toBe(0);
  });

  it('that is flushed shows the dead letters of the ledger again', async () => {
    const [domain = ''] = domains;
    const id = await site.sql.begin(async (tx) => {
      await tx`select 1 from custom_domains where domain = ${domain} for update`;
      const { body } = await send(api.url, eventBody(domain, 'renewal_failed'));
      const accepted = String(body['eventId']);
      await tx`update certificate_lifecycle_events set event_type = 'revoked' where id = ${accepted}`;
      return accepted;
    });
    const shown = () => site.ask((redis) => redis.zscore('{notafter}:cert-events:failed', `${id}-0`));
    await waitFor(shown, { what: 'the dead letter' });
    await site.ask((redis) => redis.flushall());
    await waitFor(shown, { timeoutMs: 15_000, what: 'the dead letter to be shown again' });
    const tries = await site.sql`select 1 from cert_event_attempts where event_id = ${id}`;
    expect(tries).toHaveLength(1);
    await site.sql`delete from certificate_lifecycle_events where id = ${id}`;
  });

  it('that is gone or does not answer delays no answer and shows in the readiness', async () => {
    const load = underLoad();
    await untilAcked(load, 50);
    for (const [how, leave, back] of [
      ['killed', () => site.redis.kill9(), () => site.redis.restart()],
      ['stopped', async () => site.signalRedis('SIGSTOP'), async () => site.signalRedis('SIGCONT')],
    ] as const) {
      const from = load.samples.length;
      await leave();
      await waitFor(async () => (await readiness(worker)).status === 503, {
        timeoutMs: 15_000,
        what: 'the worker not to be ready',
      });
      const told = await readiness(api);
      expect(told.status).toBe(200);
      expect(told.queues).toMatch(/^degraded: /);
      await untilAcked(load, load.acked.size + 300);
      const times = load.samples.slice(from).map(({ ms }) => ms);
      await back();
      const ms = await untilNextApplication(site.sql, Date.now());
      report(`p99 in ms of answers while Redis was ${how}`, quantile(times, 0.99));
      report(`ms until events were applied after Redis was ${how}`, ms);
      expect(quantile(times, 0.99)).toBeLessThan(500);
      expect(ms).toBeLessThan(5000);
      await waitFor(async () => (await readiness(worker)).status === 200, {
        timeoutMs: 20_000,
        what: 'the worker to be ready',
      });
    }
    expect(await flawsAfter(load)).toEqual([]);
    expect(await countOf(site.sql, 'failed')).toBe(0);
  });

  it('that is away when processes start is used as soon as it is there', async () => {
    await site.redis.kill9();
    const [second, helper] = await Promise.all([site.start('serve'), site.start('work', { ready: false })]);
    await worker.kill9();
    const answer = await send(second.url, eventBody(domains[0] ?? '', 'renewal_failed'));
    expect(answer).toMatchObject({ status: 202 });
    await waitFor(async () => (await readiness(helper)).status === 503, {
      timeoutMs: 15_000,
      what: 'the worker to say that it waits',
    });
    expect((await readiness(second)).queues).toMatch(/^degraded: /);
    await site.redis.restart();
    await untilApplied(site.sql, String(answer.body['eventId']), 5000);
    await waitFor(async () => (await readiness(second)).queues === 'ok', { what: 'the API to see Redis' });
    // The API hands its groups over itself again: nothing has to be found by the reconciler, which takes ten seconds.
    const later = await send(second.url, eventBody(domains[1] ?? '', 'renewal_failed'));
    await untilApplied(site.sql, String(later.body['eventId']), 5000);
    expect(second.output() + helper.output()).not.toMatch(/^\s+at /m);
    expect(await flawsOf(site.sql)).toEqual([]);
  });
});
