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

  it('keep to their rate, and stand still, go on and end when they are told', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 300, domains, source: 'paced' });
    const planned = await plan({ source: 'paced', ratePerSecond: 50 });
    const id = String(planned['id']);
    await post(`/replays/${id}/execute`);
    const started = performance.now();
    await waitFor(async () => Number((await replayOf(id))['opened']) >= 40, {
      timeoutMs: 20_000,
      what: 'forty to be opened',
    });
    const seconds = (performance.now() - started) / 1000;
    expect(Number((await replayOf(id))['opened'])).toBeLessThanOrEqual(50 * (seconds + 1));
    expect(await post(`/replays/${id}/pause`, { reason: 'lunch' })).toMatchObject({
      status: 200,
      body: { replay: { state: 'paused' } },
    });
    expect(await post(`/replays/${id}/pause`)).toMatchObject({ status: 200, body: { unchanged: true } });
    const paused = await waitFor(
      async () => {
        const replay = await replayOf(id);
        return replay['waiting'] === 0 ? replay : null;
      },
      { timeoutMs: 20_000, what: 'what was opened to be applied' },
    );
    expect(paused).toMatchObject({ state: 'paused', paused_because: null, applied: paused['opened'] });
    expect((await statesOf(ids))['failed 0']).toBe(paused['left']);
    expect(await post(`/replays/${id}/resume`)).toMatchObject({ body: { replay: { state: 'running' } } });
    await waitFor(async () => Number((await replayOf(id))['opened']) > Number(paused['opened']), {
      timeoutMs: 20_000,
      what: 'it to go on',
    });
    expect(await post(`/replays/${id}/cancel`)).toMatchObject({ body: { replay: { state: 'cancelled' } } });
    const ended = await waitFor(
      async () => {
        const replay = await replayOf(id);
        return replay['finished_at'] === null ? null : replay;
      },
      { timeoutMs: 20_000, what: 'what was opened to be counted' },
    );
    expect(Number(ended['left'])).toBeGreaterThan(0);
    expect(Number(ended['applied']) + Number(ended['left'])).toBe(300);
    expect((await statesOf(ids))['failed 0']).toBe(ended['left']);
    expect(await post(`/replays/${id}/resume`)).toMatchObject({ status: 409 });
    expect(await post(`/replays/${id}/execute`)).toMatchObject({ status: 200, body: { alreadyExecuted: true } });
    const audit = await site.sql<{ action: string }[]>`
      select action from audit_log where object_type = 'replay' and object_id = ${id} order by seq`;
    expect(audit.map(({ action }) => action.slice('replay.'.length))).toEqual([
      'plan',
      'execute',
      'pause',
      'resume',
      'cancel',
    ]);
  });

  it('pause by themselves when too many fail again, and go on when a person says so', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 200, domains, source: 'broken', eventType: 'revoked' });
    const planned = await plan({ source: 'broken', ratePerSecond: 100 });
    await post(`/replays/${String(planned['id'])}/execute`);
    const paused = await until(planned['id'], 'paused');
    expect(paused['paused_because']).toMatch(/^\d+ of \d+ events failed again$/);
    // It was seen to be hopeless before many were opened.
    expect(Number(paused['opened'])).toBeLessThanOrEqual(40);
    await post(`/replays/${String(planned['id'])}/resume`);
    for (let round = 0; round < 20; round += 1) {
      const replay = await waitFor(
        async () => {
          const now = await replayOf(planned['id']);
          return now['state'] === 'running' ? null : now;
        },
        { timeoutMs: 20_000, what: 'it to stand still or end' },
      );
      if (replay['state'] === 'done') break;
      await post(`/replays/${String(planned['id'])}/resume`);
    }
    expect(await replayOf(planned['id'])).toMatchObject({ state: 'done', failed_again: 200, applied: 0, left: 0 });
    expect(await statesOf(ids)).toEqual({ 'failed 1': 200 });
  });

  it('skip what changed since the plan, and say so', async () => {
    const ids = await plantDeadLetters(site.sql, { count: 30, domains, source: 'changed' });
    const planned = await plan({ source: 'changed', ratePerSecond: 1000 });
    // One is applied meanwhile, one fails anew.
    const [applied = '', again = '', ...rest] = ids;
    await site.sql`update certificate_lifecycle_events set event_type = 'revoked' where id = ${again}`;
    for (const id of [applied, again]) expect(await post(`/cert-events/${id}/replay`)).toMatchObject({ status: 200 });
    await waitFor(
      async () =>
        (await statesOf([applied, again]))['failed 1'] === 1 && (await statesOf([applied]))['applied 1'] === 1,
      { what: 'both to be settled' },
    );
    const late = await plantDeadLetters(site.sql, { count: 1, domains, source: 'changed' });
    expect(await post(`/replays/${String(planned['id'])}/execute`)).toMatchObject({
      status: 200,
      body: { changed: 2, message: expect.stringContaining('2 of 30 events changed since the plan was made') },
    });
    expect(await until(planned['id'], 'done')).toMatchObject({
      total: 30,
      opened: 28,
      skipped: 2,
      applied: 28,
      left: 0,
    });
    expect(await applicationsOf(site.sql, rest)).toEqual({ 1: 28 });
    expect(await statesOf([again, ...late])).toEqual({ 'failed 1': 1, 'failed 0': 1 });
  });

  it('take one group, named ids, or applied events with force, and nothing else', async () => {
    const routes = await plantDeadLetters(site.sql, { count: 4, domains, source: 'groups' });
    const others = await plantDeadLetters(site.sql, {
      count: 3,
      domains,
      source: 'groups',
      error: 'certificate of {domain} is malformed',
    });
    const listed = await site.admin('GET', '/dead-letters?source=groups');
    expect(listed.body).toMatchObject({
      totals: { events: 7, groups: 2, domains: 4, sources: 1 },
      groups: [
        {
          events: 4,
          domains: 4,
          pattern: 'route lookup of <domain> timed out',
          first_sources: [{ source: 'groups', cluster_id: 'eu', events: 4 }],
          oldest: routes.slice(0, 3),
        },
        { events: 3, domains: 3, pattern: 'certificate of <domain> is malformed' },
      ],
    });
    const [group = {}] = listed.body['groups'] as Row[];
    expect((group['hours'] as number[]).reduce((sum, n) => sum + n, 0)).toBe(4);
    const filter = { source: 'groups', fingerprint: group['fingerprint'] };
    expect(await post('/cert-events/replay', { ...filter, dryRun: true })).toMatchObject({
      status: 200,
      body: { ok: true, dryRun: true, attempted: 4, replayed: 0, ids: routes },
    });
    expect(await statesOf(routes)).toEqual({ 'failed 0': 4 });
    expect(await post('/cert-events/replay', { ...filter, limit: 3, reason: 'routes are back' })).toMatchObject({
      body: { dryRun: false, attempted: 3, replayed: 3, ids: routes.slice(0, 3) },
    });
    expect(await post('/cert-events/replay', { ...filter, limit: 3 })).toMatchObject({
      body: { attempted: 1, replayed: 1, ids: routes.slice(3) },
    });
    expect(await post('/cert-events/replay', { ids: others.slice(0, 1) })).toMatchObject({
      body: { replayed: 1, ids: others.slice(0, 1) },
    });
    await waitFor(async () => (await statesOf([...routes, ...others]))['applied 1'] === 5, {
      what: 'five to be applied',
    });
    expect(await statesOf(others)).toEqual({ 'applied 1': 1, 'failed 0': 2 });
    expect(await post('/cert-events/replay', { source: 'groups', status: 'applied' })).toMatchObject({ status: 409 });
    const forced = await post('/cert-events/replay', { source: 'groups', status: 'applied', force: true });
    expect(forced.body).toMatchObject({ attempted: 5, replayed: 5 });
    await waitFor(async () => (await statesOf([...routes, ...others]))['applied 2'] === 5, {
      what: 'them to be applied again',
    });
    const [audit] =
      await site.sql`select after, reason from audit_log where action = 'event.replay' and after -> 'ids' ->> 0 = ${routes[0] ?? ''} order by seq limit 1`;
    expect(audit).toMatchObject({ reason: 'routes are back', after: { replayed: 3 } });
    const counted = /fdt_cert_dlq_replayed_events_total\{by="person"\} (\d+)/.exec(await site.metrics())?.[1];
    expect(Number(counted)).toBeGreaterThanOrEqual(10);
  });
});
