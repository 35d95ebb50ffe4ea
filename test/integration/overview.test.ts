import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { countExpiry } from '../../src/db/expiry.ts';
import { addActivity, foldActivity, readDay, readFailedTries, readRates } from '../../src/db/pipe-activity.ts';
import { certSources, customDomains, events } from '../../src/db/schema.ts';
import { overviewAnswer } from '../../src/http/overview-answers.ts';
import { type Overview, overviewRoutes } from '../../src/http/overview.ts';
import { durationBounds, ingestBounds } from '../../src/lifecycle/activity.ts';
import { createMetrics } from '../../src/metrics.ts';
import { recordActivity } from '../../src/processors/activity.ts';
import { expiryCounter, selfWatch } from '../../src/processors/self-watch.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 4, 1, 12);

let api: TestApi;
const channel = { kinds: ['alert'], resolves: true } as const;
const tools = {
  notify: { channels: new Map(), routing: { channels: new Map([['chat', channel]]), always: ['chat'], routes: [] } },
};
beforeAll(async () => {
  api = await createTestApi([overviewRoutes()], start);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.sql`
    truncate certificate_notifications, certificate_alerts, counters, custom_domains, domain_clocks, domain_counts, certificate_lifecycle_events,
      dead_letters, unfinished_events, event_counts, cert_sources, pipe_activity, expiry_days, expiry_counts`;
  api.setNow(start);
});

const overview = async (query = ''): Promise<Overview> => {
  const { status, body } = await api.call<Overview>('GET', `/v1/admin/overview${query}`, { role: 'viewer' });
  expect(status).toBe(200);
  expect(v.safeParse(overviewAnswer, body).issues).toBeUndefined();
  return body;
};
const told = ({ attention }: Overview) =>
  attention.map(({ kind, count, forWhom }) => [kind, count, forWhom?.shares ?? null]);

describe('GET /v1/admin/overview', () => {
  it('says that nothing is wrong', async () => {
    const answer = await overview();
    expect(answer.attention).toEqual([]);
    expect(answer.well).toHaveLength(9);
    expect(answer.day).toHaveLength(144);
    expect(answer.expiry.days).toHaveLength(90);
  });

  it('needs a token, and knows its parameters', async () => {
    expect((await api.call('GET', '/v1/admin/overview', { role: null })).status).toBe(401);
    expect((await api.call('GET', '/v1/admin/overview?nothing=1')).status).toBe(400);
    expect((await api.call('GET', '/v1/admin/dlq-policy?limit=1')).status).toBe(400);
    expect((await api.call('GET', '/v1/admin/dlq-policy', { role: 'viewer' })).body).toEqual({
      enabled: false,
      dryRun: false,
      report: null,
    });
  });

  it('tells of all that is wrong, for whom and since when, and narrowed to an organisation only of that', async () => {
    const broken = (org_id: string) =>
      domainOf({ org_id, tls_status: 'tls_error', tls_last_error: 'CAA forbids issuer' });
    const overdue = domainOf({
      org_id: 'a',
      renewal_due_at: new Date(start - 2 * hour),
      tls_not_after: new Date(start + 9 * hour),
    });
    const drifting = domainOf({ org_id: 'b', drift_state: 'stale_served', drift_since: new Date(start - hour) });
    await api.db.orm.insert(customDomains).values([broken('a'), broken('b'), broken('b'), overdue, drifting]);
    const failed = {
      status: 'failed',
      error_class: 'internal',
      last_error: 'away',
      processed_at: new Date(start - hour),
    } as const;
    await api.db.orm
      .insert(events)
      .values([
        eventOf(start - 3 * hour, { ...failed, org_id: 'a', dlq_replay_count: 3 }),
        eventOf(start - 2 * hour, { ...failed, org_id: 'a' }),
        eventOf(start - hour, { status: 'pending', org_id: 'b' }),
      ]);
    await api.db.sql`
      insert into certificate_notifications (id, kind, action, alert_key, cycle, class, severity, route, channel, domain_id, domain, org_id, summary,
        body, status, fired_at, created_at, updated_at)
      select gen_random_uuid(), 'alert', 'fire', 'k', 'c', 'tls_error', 'critical', 'ticket', 'chat', gen_random_uuid(), 'a.example', 'b', 's', '{}', 'dead',
        to_timestamp(${start / 1000}), to_timestamp(${start / 1000}), to_timestamp(${start / 1000})`;
    await api.db.sql`
      insert into certificate_alerts (key, domain_id, class, severity, route, cycle, fired_at, alerted_at, alert_count, runbook_at, runbook_count,
        channels, summary, body)
      select id || ':tls_error', id, 'tls_error', 'critical', 'ticket', 'c', to_timestamp(${start / 1000}), now(), 1, now(), 0, '{}', 's', '{}'
      from custom_domains where tls_status = 'tls_error'`;
    const all = await overview();
    expect(told(all)).toEqual([
      ['breach', 1, [{ name: 'a', count: 1 }]],
      [
        'tls_error',
        3,
        [
          { name: 'b', count: 2 },
          { name: 'a', count: 1 },
        ],
      ],
      ['queue', 1, null],
      ['dead_letters', 2, [{ name: 'certbot:eu', count: 2 }]],
      ['drift', 1, [{ name: 'b', count: 1 }]],
      ['notices', 1, [{ name: 'chat', count: 1 }]],
      ['replay_loop', 1, null],
    ]);
    expect(all.attention[0]).toMatchObject({ since: new Date(start - 2 * hour).toISOString() });
    expect(all.attention[1]).toMatchObject({
      since: new Date(start).toISOString(),
      detail: expect.stringContaining('CAA forbids'),
    });
    expect(all.domains).toMatchObject({ total: 5, byStatus: { tls_error: 3 }, drift: 1 });
    expect(all.events).toMatchObject({ pending: 1, failed: 2 });
    const ofB = await overview('?orgId=b');
    expect(told(ofB)).toEqual([
      ['tls_error', 2, [{ name: 'b', count: 2 }]],
      ['drift', 1, [{ name: 'b', count: 1 }]],
      ['notices', 1, [{ name: 'chat', count: 1 }]],
    ]);
    expect(ofB).toMatchObject({
      sources: null,
      now: null,
      day: null,
      events: { pending: 1, failed: 0, oldestPendingAt: null },
    });
    expect(ofB.well).not.toContain('queue');
  });

  it('counts certificates by the day they expire, by owner and for all, and not more often than it may', async () => {
    const until = (at: number, org_id: string | null, due: number | null = null) =>
      domainOf({ org_id, tls_not_after: new Date(at), renewal_due_at: due === null ? null : new Date(due) });
    const midnight = Date.UTC(2026, 4, 1);
    await api.db.orm
      .insert(customDomains)
      .values([
        until(midnight - 1, 'a'),
        until(midnight, 'a', start - 1),
        until(midnight + day - 1, 'b', start + 1),
        until(midnight + 89 * day, null),
        until(midnight + 90 * day, 'a'),
      ]);
    expect(await countExpiry(api.db, api.ctx.now)).toBe(true);
    const at = (answer: Overview, index: number) => answer.expiry.days[index];
    const all = await overview();
    expect(at(all, 0)).toEqual({ day: '2026-05-01', domains: 2, overdue: 1 });
    expect(at(all, 89)).toEqual({ day: '2026-07-29', domains: 1, overdue: 0 });
    expect(all.expiry.days.reduce((sum, { domains }) => sum + domains, 0)).toBe(3);
    expect(at(await overview('?orgId=b'), 0)).toEqual({ day: '2026-05-01', domains: 1, overdue: 0 });
    expect((await expiryCounter(api.ctx)).kind).toBe('done');
    api.setNow(start + 50_000);
    expect(await countExpiry(api.db, api.ctx.now)).toBe(false);
    api.setNow(start + minute);
    expect(await Promise.all([countExpiry(api.db, api.ctx.now), countExpiry(api.db, api.ctx.now)])).toContain(true);
  });
});

describe('what the pipe did', () => {
  it('is written by each process from its own instruments, once', async () => {
    const metrics = createMetrics();
    const label = { source: 's', type: 't' };
    for (let n = 0; n < 3; n += 1) metrics.eventsReceived.inc({ ...label, result: 'accepted' });
    metrics.eventsReceived.inc({ ...label, result: 'rejected' });
    metrics.ingestDuration.observe(0.003);
    metrics.applyLatency.observe(0.02);
    metrics.applyLatency.observe(99_999);
    metrics.eventTries.inc({ error_class: 'internal' }, 7);
    const recorder = recordActivity({ ...api.ctx, metrics });
    await recorder.stop();
    await recorder.stop();
    metrics.applyLatency.observe(0.02);
    await recorder.stop();
    const rows = await api.db.sql`select kind, bucket, n::int from pipe_activity order by kind, bucket`;
    expect([...rows]).toEqual([
      { kind: 'accepted', bucket: 0, n: 3 },
      { kind: 'applied', bucket: 4, n: 2 },
      { kind: 'applied', bucket: 18, n: 1 },
      { kind: 'failed.internal', bucket: 0, n: 7 },
      { kind: 'ingest', bucket: 2, n: 1 },
    ]);
    expect(await readFailedTries(api.db, start)).toContainEqual({ errorClass: 'internal', recent: 7, before: 0 });
  });

  it('is kept for the next time where the database is away', async () => {
    const metrics = createMetrics();
    metrics.eventTries.inc({ error_class: 'invalid' }, 2);
    const recorder = recordActivity({ ...api.ctx, metrics });
    await api.db.sql`alter table pipe_activity rename to pipe_activity_away`;
    await recorder.stop();
    await api.db.sql`alter table pipe_activity_away rename to pipe_activity`;
    await recorder.stop();
    expect(await readFailedTries(api.db, start)).toContainEqual({ errorClass: 'invalid', recent: 2, before: 0 });
  });

  it('has the classes of the histograms', async () => {
    const { applyLatency, ingestDuration } = createMetrics();
    for (const [histogram, bounds] of [
      [applyLatency, durationBounds],
      [ingestDuration, ingestBounds],
    ] as const) {
      const { values } = await histogram.get();
      const les = values.flatMap(({ metricName, labels }) => (metricName?.endsWith('_bucket') ? [labels.le] : []));
      expect(les).toEqual([...bounds, '+Inf']);
    }
  });

  it('is folded into steps of ten minutes after two hours, without a count lost, and forgotten after eight days', async () => {
    await api.db.sql`
      insert into pipe_activity (minute, kind, bucket, n)
      select ${start / minute}::int - 7 * m, 'accepted', 0, 1 from generate_series(0, ${Math.floor((9 * 24 * 60) / 7)}::int) m`;
    const total = async () => {
      const [row] = await api.db.sql<{ n: number; rows: number }[]>`
        select sum(n)::int as n, count(*)::int as rows from pipe_activity where minute >= ${(start - day) / minute}`;
      return row;
    };
    const before = await total();
    await foldActivity(api.db, start);
    await foldActivity(api.db, start);
    const after = await total();
    expect(before?.n).toBeGreaterThan(200);
    expect(after?.n).toBe(before?.n);
    expect(after?.rows).toBeLessThan(before?.rows ?? 0);
    const [fine] = await api.db
      .sql`select count(*)::int as n from pipe_activity where minute >= ${(start - 2 * hour) / minute}`;
    expect(fine?.['n']).toBe(18);
    const [old] = await api.db
      .sql`select count(*)::int as n from pipe_activity where minute < ${(start - 8 * day) / minute}`;
    expect(old?.['n']).toBe(0);
  });

  it('gives rates of now and of each step of the day', async () => {
    const applied = { kind: 'applied', bucket: 3, n: 600 };
    await addActivity(api.db, [applied, { kind: 'accepted', bucket: 0, n: 1200 }], start - minute);
    await addActivity(api.db, [applied], start - 23 * hour);
    api.setNow(start + 30_000);
    const now = await readRates(api.db, api.ctx.now());
    expect(now.acceptedPerSecond).toBe(1200 / 150);
    expect(now.applyP99).toBeCloseTo(0.00995, 6);
    const steps = await readDay(api.db, api.ctx.now());
    expect(steps.at(-1)?.at).toBe(start);
    expect(steps.filter(({ appliedPerSecond }) => appliedPerSecond === 1).map(({ at }) => at)).toEqual([
      start - 23 * hour,
      start - 10 * minute,
    ]);
  });
});

describe('the watch over our own work', () => {
  const notices = () => api.db.sql`select action, class, domain, summary from certificate_notifications order by seq`;

  it('tells once of a silent source, a spike and a loop, and of their end', async () => {
    await api.db.orm.insert(events).values(eventOf(start - 90 * day, { source: 'lego' }));
    await api.db.orm
      .insert(certSources)
      .values({ source: 'lego', cluster_id: 'eu', events_total: 90, last_seen_at: new Date(start - 4 * day) });
    await addActivity(api.db, [{ kind: 'failed.internal', bucket: 0, n: 50 }], start);
    await api.db.orm
      .insert(events)
      .values(eventOf(start - hour, { status: 'failed', error_class: 'internal', dlq_replay_count: 3 }));
    await Promise.all([selfWatch(api.ctx, tools), selfWatch(api.ctx, tools), selfWatch(api.ctx, tools)]);
    await selfWatch(api.ctx, tools);
    expect((await notices()).map((row) => String(row['summary'])).toSorted((a, b) => a.localeCompare(b))).toEqual([
      '1 event fails again however often it is replayed',
      '50 tries to apply an event failed within 10 minutes (internal), usually 0',
      'lego:eu is silent: usually an event every 23 hours, none for 4 days',
    ]);
    expect(told(await overview()).map(([kind]) => kind)).toEqual([
      'dead_letters',
      'silent_source',
      'spike',
      'replay_loop',
    ]);
    await api.db.sql`truncate pipe_activity, cert_sources, dead_letters`;
    await selfWatch(api.ctx, tools);
    await selfWatch(api.ctx, tools);
    const all = await notices();
    expect(all.filter((row) => row['action'] === 'resolve').map((row) => row['class'])).toEqual(
      expect.arrayContaining(['source_silent', 'error_spike', 'replay_loop']),
    );
    expect(all).toHaveLength(6);
    expect(new Set(all.map((row) => row['domain']))).toEqual(new Set([null]));
  });

  it('begins to tell once there is somebody to tell', async () => {
    const nobody = { notify: { channels: new Map(), routing: { channels: new Map(), always: [], routes: [] } } };
    await addActivity(api.db, [{ kind: 'failed.internal', bucket: 0, n: 50 }], start);
    await selfWatch(api.ctx, nobody);
    expect(await notices()).toHaveLength(0);
    api.setNow(start + 31 * minute);
    await addActivity(api.db, [{ kind: 'failed.internal', bucket: 0, n: 500 }], api.ctx.now());
    await selfWatch(api.ctx, tools);
    expect(await notices()).toHaveLength(1);
  });
});
