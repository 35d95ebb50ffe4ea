import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventBody, registerMany, send } from '../support/driver.ts';
import { flawsOf, untilSettled } from '../support/ledger.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, report, type Site } from './site.ts';

// From this age on an event is found by every calm walk over the ledger; before it only doubt has it queued again.
const graceMs = 10_000;

let site: Site;
let api: App;
let domains: string[];
beforeAll(async () => {
  site = await openSite({ redis: { appendonly: true } });
  [api] = await Promise.all([site.start('serve'), site.start('work')]);
  domains = await registerMany(api.url, 20, 'memory.example');
});
afterAll(() => site.close());

const withQueue = async <T>(work: (queue: Queue) => Promise<T>): Promise<T> => {
  const queue = new Queue('cert-events', { connection: { url: site.redis.url }, prefix: '{notafter}' });
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
};

/** Accepts events whose jobs nobody takes, and gives their ids. */
const acceptWaiting = (): Promise<string[]> =>
  withQueue(async (queue) => {
    await queue.pause();
    const answers = await Promise.all(domains.map((domain) => send(api.url, eventBody(domain, 'renewal_failed'))));
    await waitFor(async () => (await queue.getWaitingCount()) > 0, {
      what: 'the jobs to wait',
    });
    return answers.map(({ body }) => String(body['eventId']));
  });

/** Milliseconds from the receipt of the first of these events until the last was applied. */
const untilAllApplied = async (ids: readonly string[]): Promise<number> => {
  await untilSettled(site.sql, 40_000);
  const [row] = await site.sql<{ ms: number; applied: number }[]>`
    select (extract(epoch from max(a.at) - min(e.created_at)) * 1000)::float8 as ms, count(*)::int as applied
    from certificate_lifecycle_events e join noted_applications a on a.event_id = e.id where e.id = any(${[...ids]}::uuid[])`;
  expect(row?.applied).toBe(ids.length);
  return row?.ms ?? Number.POSITIVE_INFINITY;
};

const known = () =>
  waitFor(() => site.ask((redis) => redis.get('{notafter}:epoch')), { what: 'the store to be known' });

describe('Redis', { timeout: 90_000 }, () => {
  it('that is flushed has what it carried queued again at once', async () => {
    await known();
    const ids = await acceptWaiting();
    await site.ask((redis) => redis.flushall());
    const ms = await untilAllApplied(ids);
    report('ms from the receipt of events to their application, with a FLUSHALL between', ms);
    expect(ms).toBeLessThan(graceMs);
    expect(await flawsOf(site.sql)).toEqual([]);
  });

  it('that is restored from an older copy has what it carried queued again at once', async () => {
    await known();
    const [present, older] = ['appendonlydir', 'older'].map((name) => path.join(site.redis.dir, name));
    if (present === undefined || older === undefined) throw new Error('no folders');
    cpSync(present, older, { recursive: true });
    const ids = await acceptWaiting();
    await site.redis.kill9();
    rmSync(present, { recursive: true });
    cpSync(older, present, { recursive: true });
    await site.redis.restart();
    const ms = await untilAllApplied(ids);
    report('ms from the receipt of events to their application, with Redis rolled back between', ms);
    expect(ms).toBeLessThan(graceMs);
    expect(await flawsOf(site.sql)).toEqual([]);
  });
});
