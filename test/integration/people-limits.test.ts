import { pino } from 'pino';
import postgres from 'postgres';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ctx } from '../../src/context.ts';
import { connectDb } from '../../src/db/client.ts';
import { createApp } from '../../src/http/app.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { parseEvent } from '../../src/lifecycle/event.ts';
import { createTestApi, type TestApi, tokenOf } from '../support/api.ts';
import { openSite, type Site } from '../support/site.ts';

describe('what people ask of the database', () => {
  let site: Site;
  let holder: postgres.Sql;
  beforeAll(async () => {
    site = await openSite('postgres', { NOTAFTER_QUERY_SECONDS: '1' });
    holder = postgres(site.env['DATABASE_URL'] ?? '', { max: 1, onnotice: () => undefined });
  });
  afterAll(async () => {
    await holder.end();
    await site.close();
  });

  /** Runs work while nobody can read the incidents. */
  const whileHeld = <T>(work: () => Promise<T>): Promise<T> =>
    // The driver unwraps arrays of promises in its result type; work resolves to T, which is none.
    holder.begin(async (tx) => {
      await tx`lock table certificate_incidents in access exclusive mode`;
      return work();
    }) as Promise<T>;

  it('is cut off in time, said to be so, and keeps no event waiting', async () => {
    const asked = await whileHeld(async () => {
      const started = performance.now();
      // More than there are connections for people.
      const answers = Array.from({ length: 8 }, () => site.admin('GET', '/cert-incidents?domain=held.example.com'));
      await site.tell('held.example.com', 'renewal_failed');
      const accepted = performance.now() - started;
      return { accepted, answers: await Promise.all(answers), ms: performance.now() - started };
    });
    for (const { status, headers, body } of asked.answers) {
      expect([status, headers.get('retry-after')]).toEqual([503, '30']);
      expect(body['message']).toContain('took too long');
    }
    expect(asked.accepted).toBeLessThan(1000);
    expect(asked.ms).toBeGreaterThan(900);
    expect(asked.ms).toBeLessThan(10_000);
    expect((await site.admin('GET', '/cert-incidents?domain=held.example.com')).status).toBe(200);
  });
});

describe('what people ask of the program', () => {
  let api: TestApi;
  const lines: { readonly msg: string; readonly alsoSince: number; readonly cause: string }[] = [];
  let app: ReturnType<typeof createApp>;
  let away: Ctx;
  let clock = Date.now();
  beforeAll(async () => {
    api = await createTestApi([], clock);
    const log = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const ctx = { ...api.ctx, log, now: () => clock };
    away = ctx;
    app = createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
  });
  afterAll(() => api.close());

  const ask = (path: string, method = 'GET', role: 'viewer' | 'admin' = 'admin') =>
    Promise.resolve(app.request(path, { method, headers: { authorization: `Bearer ${tokenOf(role)}` } }));

  it('a few checks of the audit log run at a time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('/v1/admin/audit/verify')));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    expect(statuses.filter((status) => status === 429)).toHaveLength(6);
    const [refused] = answers.filter(({ status }) => status === 429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('/v1/admin/audit/verify')).status).toBe(200);
  });

  it('changes of queues that are refused leave a bounded number of rows an hour', async () => {
    const count = async (): Promise<number> =>
      (await api.db.sql<{ n: number }[]>`select count(*)::int as n from audit_log where action = 'queue.change'`)[0]
        ?.n ?? 0;
    for (let n = 0; n < 100; n += 1)
      expect((await ask('/console/bull-board/api/queues/pause', 'PUT', 'viewer')).status).toBe(403);
    expect(await count()).toBe(60);
    // What somebody else may do is noted all the same.
    await ask('/console/bull-board/api/queues/none/none/retry', 'PUT');
    expect(await count()).toBe(61);
  });

  it('a database that is away is in the log, in one line for many answers', async () => {
    const db = connectDb('postgres://127.0.0.1:1/none', { max: 1, name: 'test' });
    const ctx = { ...away, db };
    const on = createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
    const headers = { authorization: `Bearer ${tokenOf('admin')}` };
    const askAll = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1)
        expect((await on.request('/v1/admin/cert-incidents', { headers })).status).toBe(503);
    };
    lines.length = 0;
    await askAll(5);
    clock += 10_000;
    await askAll(1);
    await db.close();
    expect(lines).toMatchObject([
      { msg: 'a request is answered 503', cause: expect.stringContaining('ECONNREFUSED'), alsoSince: 0 },
      { msg: 'a request is answered 503', alsoSince: 4 },
    ]);
  });

  it('a queue that is away is in the log, in one line for many groups', async () => {
    const { queues } = api;
    queues.failWith = new Error('Redis is away');
    const sink = ingestSink({ ...away, elapsed: () => clock });
    lines.length = 0;
    const send = async (): Promise<void> => {
      const id = uuidv7();
      const parsed = parseEvent({ sourceEventId: id, domain: 'a.example', eventType: 'renewal_succeeded' }, 0);
      const from = { source: 'a', clusterId: 'b', domain: 'a.example', provenanceSubject: null, receivedAt: clock };
      await sink.commits.submit({ id, parsed, ...from });
      await sink.drain();
    };
    for (let n = 0; n < 5; n += 1) await send();
    clock += 10_000;
    await send();
    queues.failWith = null;
    const line = { msg: 'a committed group is left to the reconciler', why: 'Redis is away', events: 1 };
    expect(lines).toMatchObject([
      { ...line, alsoSince: 0 },
      { ...line, alsoSince: 4 },
    ]);
  });
});
