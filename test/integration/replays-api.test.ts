import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { events } from '../../src/db/schema.ts';
import { deadLetterRoutes } from '../../src/http/dead-letters.ts';
import { replayRoutes } from '../../src/http/replays.ts';
import { planLifeMs } from '../../src/lifecycle/replay.ts';
import { createTestApi, eventOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([replayRoutes(), deadLetterRoutes()], now);
});
afterAll(() => api.close());
beforeEach(async () => {
  api.setNow(now);
  await api.db
    .sql`truncate certificate_lifecycle_events, cert_event_replays, dead_letters, unfinished_events, replays cascade`;
});

const failed = (values: Parameters<typeof eventOf>[1] = {}) =>
  eventOf(now - 3_600_000, {
    status: 'failed',
    outcome: null,
    retry_count: 6,
    last_error: 'boom',
    error_class: 'internal',
    ...values,
  });
const insert = async (...rows: ReturnType<typeof eventOf>[]): Promise<string[]> => {
  await api.db.orm.insert(events).values(rows);
  return rows.map(({ id }) => id);
};
const post = (path: string, body: unknown = {}) => api.call('POST', `/v1/admin/${path}`, { body });
const plan = async (body: unknown = {}): Promise<number> => {
  const answer = await post('replays', body);
  expect(answer.status).toBe(201);
  return Number({ ...(answer.body['plan'] as Record<string, unknown>) }['id']);
};

describe('what a replay refuses', () => {
  it.each([
    ['cert-events/replay', { limit: 0 }, 'limit'],
    ['cert-events/replay', { limit: 1001 }, 'limit'],
    ['cert-events/replay', { limit: '5' }, 'limit'],
    ['cert-events/replay', { limit: 5, all: true }, 'either limit or all'],
    ['cert-events/replay', { status: 'pending' }, 'status'],
    ['cert-events/replay', { dryRun: 'true' }, 'dryRun'],
    ['cert-events/replay', { ratePerSecond: 0 }, 'ratePerSecond'],
    ['cert-events/replay', { ratePerSecond: 1001 }, 'ratePerSecond'],
    ['cert-events/replay', { fingerprint: 'x' }, 'fingerprint'],
    ['cert-events/replay', { ids: [] }, 'ids'],
    ['cert-events/replay', { ids: ['x'] }, 'ids'],
    ['cert-events/replay', { since: 'yesterday' }, 'since'],
    ['cert-events/replay', { colour: 'red' }, 'colour'],
    ['replays', { limit: 5 }, 'limit'],
    ['replays/1/execute', { force: true }, 'force'],
    ['replays/x/execute', {}, 'number of a replay'],
  ])('%s %j', async (path, body, message) => {
    expect(await post(path, body)).toMatchObject({ status: 400, body: { message: expect.stringContaining(message) } });
  });

  it.each(['limit=0', 'cursor=x', 'fingerprint=x', 'colour=red', 'since=x', 'domain=a%20b'])(
    'as a list of groups with %s',
    async (query) => {
      expect(await api.call('GET', `/v1/admin/dead-letters?${query}`)).toMatchObject({ status: 400 });
    },
  );

  it.each(['execute', 'pause', 'resume', 'cancel'])('to %s what is not there', async (act) => {
    expect(await post(`replays/999/${act}`)).toMatchObject({ status: 404 });
  });

  it('applied events without force', async () => {
    await insert(eventOf(now - 1000));
    for (const path of ['cert-events/replay', 'replays'])
      expect(await post(path, { status: 'applied' })).toMatchObject({ status: 409 });
    expect(await post('replays', { status: 'applied', force: true })).toMatchObject({
      status: 201,
      body: { plan: { total: 1, force: true } },
    });
  });
});

describe('a plan', () => {
  it('can be executed for a quarter of an hour, and tells to make a new one afterwards', async () => {
    await insert(failed());
    const [last, late] = [await plan(), await plan()];
    api.setNow(now + planLifeMs - 1);
    expect(await post(`replays/${last}/execute`)).toMatchObject({ status: 200 });
    api.setNow(now + planLifeMs);
    expect(await post(`replays/${late}/execute`)).toMatchObject({
      status: 409,
      body: { message: 'The plan has expired; make a new one' },
    });
  });

  it('that is cancelled is never executed', async () => {
    await insert(failed());
    const id = await plan();
    expect(await post(`replays/${id}/cancel`)).toMatchObject({ status: 200 });
    expect(await post(`replays/${id}/execute`)).toMatchObject({
      status: 409,
      body: { message: expect.stringContaining('cancelled') },
    });
    expect(await post(`replays/${id}/cancel`)).toMatchObject({ status: 200, body: { unchanged: true } });
  });

  it('that is not executed yet can neither be paused nor resumed', async () => {
    const id = await plan();
    for (const act of ['pause', 'resume']) expect(await post(`replays/${id}/${act}`)).toMatchObject({ status: 409 });
  });

  it('executed by many at once runs once', async () => {
    await insert(failed());
    const id = await plan();
    const answers = await Promise.all(Array.from({ length: 5 }, () => post(`replays/${id}/execute`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(answers.filter(({ body }) => body['alreadyExecuted'] === true)).toHaveLength(4);
    const rows = await api.db
      .sql`select 1 from audit_log where action = 'replay.execute' and object_id = ${String(id)}`;
    expect(rows).toHaveLength(1);
  });

  it('takes what its filters let through', async () => {
    await insert(
      failed({ domain: 'a.example.com', source: 'lego', org_id: 'o1' }),
      failed({ domain: '*.shop.example.com', error_class: 'invalid' }),
      failed({ domain: 'example.org', event_type: 'issuance_failed', cluster_id: 'us' }),
      eventOf(now - 1000),
    );
    const totals = await Promise.all(
      [
        {},
        { source: 'lego' },
        { orgId: 'o1' },
        { clusterId: 'us' },
        { domain: '*.example.com' },
        { domain: 'a.example.com' },
        { errorClass: 'invalid' },
        { eventType: 'issuance_failed' },
        { since: now - 3_600_000 },
        { until: now - 3_600_000 },
        { until: new Date(now).toISOString() },
      ].map(async (body) => ({ ...((await post('replays', body)).body['plan'] as { total: number }) }).total),
    );
    expect(totals).toEqual([3, 1, 1, 1, 2, 1, 1, 1, 3, 0, 3]);
  });
});

describe('lists', () => {
  it('page through replays and leave plans out', async () => {
    await insert(failed());
    const ids = [];
    for (let n = 0; n < 3; n += 1) {
      ids.push(await plan());
      await post(`replays/${ids.at(-1)}/execute`);
    }
    const planned = await plan();
    const read = async (query: string) => {
      const { body } = await api.call<{ replays: { id: number }[]; nextCursor: string | null }>(
        'GET',
        `/v1/admin/replays?${query}`,
      );
      return { ids: body.replays.map(({ id }) => id), next: body.nextCursor };
    };
    const first = await read('limit=2');
    expect(first.ids).toEqual(ids.toReversed().slice(0, 2));
    expect(await read(`limit=2&cursor=${first.next}`)).toEqual({ ids: ids.slice(0, 1), next: null });
    expect((await read('state=planned')).ids).toEqual([planned]);
  });

  it('page through groups, the largest first', async () => {
    await insert(...['x', 'x', 'x', 'y', 'y', 'z'].map((error) => failed({ last_error: error })));
    const sizes: number[] = [];
    for (let cursor = ''; ;) {
      const { body } = await api.call<{ groups: { events: number }[]; nextCursor: string | null }>(
        'GET',
        `/v1/admin/dead-letters?limit=1${cursor}`,
      );
      sizes.push(...body.groups.map(({ events: n }) => n));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${body.nextCursor}`;
    }
    expect(sizes).toEqual([3, 2, 1]);
  });
});
