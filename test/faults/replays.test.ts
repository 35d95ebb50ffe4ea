import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applicationsOf, plantDeadLetters } from '../support/dead-letters.ts';
import { admin, registerMany } from '../support/driver.ts';
import { flawsOf } from '../support/ledger.ts';
import type { App } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { openSite, type Site } from './site.ts';

type Row = Readonly<Record<string, unknown>>;

// An empty address of Redis is none: the queues are in PostgreSQL then.
const stores = { redis: {}, postgres: { REDIS_URL: '' } } as const;

describe.each(['redis', 'postgres'] as const)('a bulk replay with queues in %s', { timeout: 120_000 }, (store) => {
  let site: Site;
  let api: App;
  let domains: string[];
  const env = stores[store];
  beforeAll(async () => {
    site = await openSite({ env });
    api = await site.start('serve', { env });
    domains = await registerMany(api.url, 50, 'killed.example');
  });
  afterAll(() => site.close());

  const replayOf = async (id: number): Promise<Row> => {
    const { body } = await admin(api.url, 'GET', `/replays/${id}`);
    return { ...(body['replay'] as Row) };
  };
  const untilOpened = (id: number, least: number): Promise<unknown> =>
    waitFor(async () => Number((await replayOf(id))['opened']) >= least, {
      timeoutMs: 40_000,
      what: `${least} events to be opened`,
    });

  it('whose worker is killed again and again goes on where it was, and applies nothing twice', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 2000, domains });
    let worker = await site.start('work', { env });
    const planned = await admin(api.url, 'POST', '/replays', { ratePerSecond: 250 });
    const id = Number((planned.body['plan'] as Row)['id']);
    expect(planned.body['plan']).toMatchObject({ total: 2000 });
    await admin(api.url, 'POST', `/replays/${id}/execute`, {});
    for (const least of [100, 700, 1300]) {
      await untilOpened(id, least);
      await worker.kill9();
      worker = await site.start('work', { env });
    }
    const done = await waitFor(
      async () => {
        const replay = await replayOf(id);
        if (replay['state'] !== 'done') throw new Error(JSON.stringify(replay));
        return replay;
      },
      { timeoutMs: 80_000, intervalMs: 200, what: 'the replay to be done' },
    );
    expect(done).toMatchObject({
      total: 2000,
      opened: 2000,
      applied: 2000,
      skipped: 0,
      failed_again: 0,
      left: 0,
      waiting: 0,
    });
    expect(await applicationsOf(site.sql, ids)).toEqual({ 1: 2000 });
    const [generations] = await site.sql`
      select min(generation)::int as least, max(generation)::int as most, count(distinct event_id)::int as events, count(*)::int as notes
      from cert_event_replays where replay_id = ${id} and result = 'applied'`;
    expect(generations).toEqual({ least: 1, most: 1, events: 2000, notes: 2000 });
    expect(await flawsOf(site.sql)).toEqual([]);
    await worker.kill9();
  });

  it('that two workers carry on keeps to its rate and opens each event once', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 400, domains, source: 'two' });
    const workers = [await site.start('work', { env }), await site.start('work', { env })];
    const { body } = await admin(api.url, 'POST', '/cert-events/replay', {
      all: true,
      source: 'two',
      ratePerSecond: 80,
    });
    const id = Number(body['replayId']);
    const started = performance.now();
    await untilOpened(id, 400);
    const seconds = (performance.now() - started) / 1000;
    expect(400 / seconds).toBeLessThanOrEqual(88);
    await waitFor(async () => (await replayOf(id))['state'] === 'done', {
      timeoutMs: 40_000,
      what: 'the replay to be done',
    });
    expect(await applicationsOf(site.sql, ids)).toEqual({ 1: 400 });
    for (const worker of workers) await worker.kill9();
  });
});
