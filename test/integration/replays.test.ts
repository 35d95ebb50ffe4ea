import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applicationsOf, plantDeadLetters } from '../support/dead-letters.ts';
import { type Answer, registerMany } from '../support/driver.ts';
import { backends, openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

type Row = Readonly<Record<string, unknown>>;

const membersOf = (value: unknown): Row => ({ ...(value as Row) });

describe.each(backends)('bulk replays with queues in %s', { timeout: 60_000 }, (backend) => {
  let site: Site;
  let domains: string[];
  beforeAll(async () => {
    site = await openSite(backend, { CERT_EVENT_BASE_BACKOFF_SECONDS: '1' });
    domains = await registerMany(site.url, 20, 'replays.example');
  });
  afterAll(() => site.close());

  const post = async (path: string, body: Row = {}): Promise<Answer> => site.admin('POST', path, body);
  const plan = async (body: Row): Promise<Row> => {
    const answer = await post('/replays', body);
    expect(answer).toMatchObject({ status: 201, body: { ok: true } });
    return membersOf(answer.body['plan']);
  };
  const replayOf = async (id: unknown): Promise<Row> => {
    const answer = await site.admin('GET', `/replays/${String(id)}`);
    expect(answer.status).toBe(200);
    return membersOf(answer.body['replay']);
  };
  const until = (id: unknown, state: string, timeoutMs = 30_000): Promise<Row> =>
    waitFor(
      async () => {
        const replay = await replayOf(id);
        if (replay['state'] !== state) throw new Error(JSON.stringify(replay));
        return replay;
      },
      { timeoutMs, intervalMs: 50, what: `replay ${String(id)} to be ${state}` },
    );
  const eventsOf = (ids: readonly string[]) =>
    site.sql<{ id: string; status: string; generation: number; retry_count: number; dlq_replay_count: number }[]>`
      select id, status, generation, retry_count, dlq_replay_count from certificate_lifecycle_events
      where id = any(${[...ids]}::uuid[]) order by id`;
  const statesOf = async (ids: readonly string[]) => {
    const rows = await eventsOf(ids);
    return Object.fromEntries(
      [...Map.groupBy(rows, ({ status, generation }) => `${status} ${generation}`)].map(([k, v]) => [k, v.length]),
    );
  };

  it('plan without changing anything, then apply each event of the plan once', async () => {
    const good = await plantDeadLetters(site.sql, { count: 120, domains, source: 'first' });
    const bad = await plantDeadLetters(site.sql, {
      count: 3,
      domains,
      source: 'first',
      eventType: 'revoked',
      error: 'it is no type',
      errorClass: 'invalid',
    });
    const planned = await plan({ source: 'first', ratePerSecond: 1000, reason: 'the route is back' });
    expect(planned).toMatchObject({ total: 123, domains: 20, sources: 1, replayedBefore: 0, ratePerSecond: 1000 });
    expect(planned['groups']).toMatchObject([
      { errorClass: 'internal', pattern: 'route lookup of <domain> timed out', events: 120 },
      { errorClass: 'invalid', events: 3 },
    ]);
    expect(await statesOf([...good, ...bad])).toEqual({ 'failed 0': 123 });
    const executed = await post(`/replays/${String(planned['id'])}/execute`);
    expect(executed).toMatchObject({ status: 200, body: { ok: true, changed: 0 } });
    const again = await post(`/replays/${String(planned['id'])}/execute`);
    expect(again).toMatchObject({ status: 200, body: { ok: true, alreadyExecuted: true } });
    const done = await until(planned['id'], 'done');
    expect(done).toMatchObject({
      total: 123,
      opened: 123,
      applied: 120,
      failed_again: 3,
      skipped: 0,
      left: 0,
      waiting: 0,
    });
    expect(done['executed_by']).toBe('driver');
    expect(await applicationsOf(site.sql, good)).toEqual({ 1: 120 });
    expect(await statesOf(good)).toEqual({ 'applied 1': 120 });
    expect(await statesOf(bad)).toEqual({ 'failed 1': 3 });
    const [tried] = await eventsOf(bad);
    expect(tried).toMatchObject({ retry_count: 1, dlq_replay_count: 1 });
    const detail = await site.admin('GET', `/replays/${String(planned['id'])}`);
    expect(detail.body['failures']).toMatchObject([{ error_class: 'invalid', events: 3, retrying: 0 }]);
    const audit = await site.sql<{ action: string }[]>`
      select action, actor, reason from audit_log where object_type = 'replay' and object_id = ${String(planned['id'])} order by seq`;
    expect([...audit]).toEqual([
      { action: 'replay.plan', actor: 'driver', reason: 'the route is back' },
      { action: 'replay.execute', actor: 'driver', reason: 'the route is back' },
    ]);
  });

  it('do nothing more when the whole set of dead letters is replayed twice', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 40, domains, source: 'twice' });
    const both = await Promise.all(
      [1, 2].map(() => post('/cert-events/replay', { source: 'twice', all: true, ratePerSecond: 1000 })),
    );
    const replays = await Promise.all(both.map(({ body }) => until(body['replayId'], 'done')));
    expect(replays.map((replay) => Number(replay['opened'])).reduce((sum, n) => sum + n, 0)).toBe(40);
    expect(replays.map((replay) => Number(replay['opened']) + Number(replay['skipped']))).toEqual([40, 40]);
    expect(await applicationsOf(site.sql, ids)).toEqual({ 1: 40 });
    const third = await post('/cert-events/replay', { source: 'twice', all: true });
    expect(await until(third.body['replayId'], 'done')).toMatchObject({ total: 0, opened: 0 });
  });
});
