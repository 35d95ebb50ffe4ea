import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventBody, registerMany, send } from '../support/driver.ts';
import { countOf, flawsOf, untilSettled } from '../support/ledger.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, type Site } from './site.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

describe('an API that is killed', { timeout: 60_000 }, () => {
  it('between its commits and their way to the queue loses nothing that it accepted', async () => {
    const api = await site.start('serve');
    const domains = await registerMany(api.url, 10, 'api.example');
    site.signalRedis('SIGSTOP');
    const acked = new Map<string, string>();
    const sender = async (_: unknown, lane: number): Promise<void> => {
      for (let n = 0; n < 10; n += 1) {
        const body = eventBody(domains[(lane + n) % 10] ?? '', 'renewal_failed', { reason: `lane ${lane}` });
        const answer = await send(api.url, body);
        if (answer.status === 202) acked.set(body.sourceEventId, String(answer.body['eventId']));
      }
    };
    await Promise.all(Array.from({ length: 10 }, sender));
    await api.kill9();
    // What the API had written to Redis's socket would still be read: empty it as well.
    site.signalRedis('SIGCONT');
    await site.ask((redis) => redis.flushall());
    const killed = performance.now();
    expect(acked.size).toBe(100);
    expect(await countOf(site.sql, 'pending')).toBe(100);
    const worker = await site.start('work');
    await untilSettled(site.sql);
    report('s until the events of a killed API were applied', (performance.now() - killed) / 1000);
    expect(await flawsOf(site.sql, acked)).toEqual([]);
    expect(await countOf(site.sql, 'applied')).toBe(100);
    await worker.kill9();
  });

  it('before the queue has heard of them leaves them to a reconciler that was running all along', async () => {
    const [api, worker] = await Promise.all([site.start('serve'), site.start('work')]);
    const [domain = ''] = await registerMany(api.url, 1, 'orphan.example');
    await waitFor(async () => (await site.ask((redis) => redis.get('{notafter}:epoch'))) !== null, {
      what: 'the first reconciliation',
    });
    const body = eventBody(domain, 'renewal_failed');
    site.signalRedis('SIGSTOP');
    const id = String((await send(api.url, body)).body['eventId']);
    await api.kill9();
    site.signalRedis('SIGCONT');
    // Only the jobs: the store itself has forgotten nothing, so that nobody looks at it with suspicion.
    await site.ask(async (redis) => {
      const jobs = (await redis.keys('{notafter}:cert-events:*')).filter((key) => !key.endsWith(':meta'));
      if (jobs.length > 0) await redis.del(...jobs);
    });
    await untilSettled(site.sql);
    expect(await flawsOf(site.sql, new Map([[body.sourceEventId, id]]))).toEqual([]);
    await worker.kill9();
  });
});
