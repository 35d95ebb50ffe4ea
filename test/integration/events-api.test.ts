import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRow, EventStats } from '../../src/db/event-reads.ts';
import { notificationAttempts, notifications } from '../../src/db/schema-served.ts';
import { customDomains, eventAttempts, eventReplays, events, incidents } from '../../src/db/schema.ts';
import { eventDetail, eventList, replayAnswer } from '../../src/http/answers.ts';
import { eventRoutes } from '../../src/http/events.ts';
import { createTestApi, domainOf, eventOf, idAt, incidentOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;
const path = '/v1/admin/cert-events';

interface List {
  readonly events: EventRow[];
  readonly nextCursor: string | null;
  readonly stats: EventStats;
}

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([eventRoutes()], now);
});
afterAll(() => api.close());

const insert = async (...rows: ReturnType<typeof eventOf>[]) => {
  await api.db.orm.insert(events).values(rows);
  return rows;
};
const list = async (query: string) => {
  const answer = await api.call<List>('GET', `${path}?${query}`);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body;
};

describe('who may read and replay', () => {
  const id = '01890000-0000-7000-8000-000000000000';
  it.each([
    ['GET', path, null, 401],
    ['GET', path, 'viewer', 200],
    ['GET', `${path}/${id}`, null, 401],
    ['GET', `${path}/${id}`, 'viewer', 404],
    ['POST', `${path}/${id}/replay`, null, 401],
    ['POST', `${path}/${id}/replay`, 'viewer', 403],
    ['POST', `${path}/${id}/replay`, 'operator', 404],
    ['POST', `${path}/${id}/replay`, 'admin', 404],
  ] as const)('%s %s as %s is %i', async (method, route, role, status) => {
    const answer = await api.call(method, route, { role });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe(status === 200 ? 'application/json' : 'application/problem+json');
  });
});

describe('what the list refuses', () => {
  it.each([
    'limit=0',
    'limit=501',
    'limit=abc',
    'limit=',
    'limit=1.5',
    'status=done',
    'status=',
    'eventType=renewed',
    'errorClass=strange',
    'unresolved=1',
    'unresolved=TRUE',
    'unresolved=',
    'since=yesterday',
    'since=2026-02-31T00:00:00Z',
    'since=2026-01-01T00:00:00',
    'until=-1',
    'since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z',
    'domain=not%20a%20host',
    'domain=',
    'domain=10.0.0.1',
    'source=',
    'source=a%00b',
    `source=${'x'.repeat(81)}`,
    'clusterId=',
    'orgId=',
    'cursor=',
    'cursor=broken',
    'cursor=WyJub3QgYW4gaWQiXQ',
    'cursor=WyJhIiwiYiJd',
    'colour=red',
    'status=failed&status=pending',
  ])('%s', async (query) => {
    const answer = await api.call<{ message: string }>('GET', `${path}?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.message).toContain(query.includes('&status') ? 'more than once' : query.split('=')[0]);
  });

  it.each(['abc', '123', '01890000-0000-7000-8000-00000000000g'])('the id %s', async (id) => {
    expect((await api.call('GET', `${path}/${id}`)).status).toBe(400);
    expect((await api.call('POST', `${path}/${id}/replay`)).status).toBe(400);
  });
});

describe('filters and stats', () => {
  const day = Date.UTC(2026, 3, 20);
  const row = (index: number) => {
    const status = (['applied', 'applied', 'failed', 'pending'] as const)[index % 4] ?? 'applied';
    const unresolved = status !== 'applied' && index % 3 === 0;
    return eventOf(day + index * minute, {
      org_id: `org-${index % 3}`,
      source: `filters-${index % 2}`,
      cluster_id: index % 5 === 0 ? null : `cluster-${index % 5}`,
      domain: `d${index % 7}.filters.test`,
      domain_id: unresolved ? null : randomUUID(),
      event_type: index % 2 === 0 ? 'renewal_failed' : 'issuance_succeeded',
      status,
      error_class: status === 'failed' ? (unresolved ? 'unresolved' : 'invalid') : null,
    });
  };
  const rows = Array.from({ length: 84 }, (_, index) => row(index));
  const at = (index: number) => day + index * minute;

  beforeAll(async () => {
    await insert(...rows);
    // Kept counts must follow a status that changes, and hold after they are folded together.
    const [first] = rows;
    if (first !== undefined) {
      await api.db.orm.update(events).set({ status: 'failed' }).where(eq(events.id, first.id));
      await api.db.orm.update(events).set({ status: 'applied' }).where(eq(events.id, first.id));
    }
  });

  type Row = (typeof rows)[number];
  const cases: [string, (row: Row, index: number) => boolean][] = [
    ['', () => true],
    ['status=pending', (r) => r.status === 'pending'],
    ['status=applied', (r) => r.status === 'applied'],
    ['status=failed', (r) => r.status === 'failed'],
    ['source=filters-1', (r) => r.source === 'filters-1'],
    ['clusterId=cluster-2', (r) => r.cluster_id === 'cluster-2'],
    ['orgId=org-2', (r) => r.org_id === 'org-2'],
    ['domain=D3.filters.test.', (r) => r.domain === 'd3.filters.test'],
    ['eventType=renewal_failed', (r) => r.event_type === 'renewal_failed'],
    ['errorClass=invalid', (r) => r.error_class === 'invalid'],
    ['unresolved=true', (r) => r.domain_id === null],
    ['unresolved=false', (r) => r.domain_id !== null],
    [`since=${at(10)}`, (_, i) => i >= 10],
    [`until=${at(10)}`, (_, i) => i < 10],
    [`since=${new Date(at(5)).toISOString()}&until=${at(20)}`, (_, i) => i >= 5 && i < 20],
    [`since=${at(5)}&until=${at(5)}`, () => false],
    [`since=${at(5)}&status=failed`, (r, i) => i >= 5 && r.status === 'failed'],
    ['domain=d1.filters.test&status=pending', (r) => r.domain === 'd1.filters.test' && r.status === 'pending'],
    [
      'source=filters-0&status=failed&unresolved=true&orgId=org-0',
      (r) => r.source === 'filters-0' && r.status === 'failed' && r.domain_id === null,
    ],
    ['source=nobody', () => false],
  ];

  for (const compacted of [false, true]) {
    it.each(cases)(
      `${compacted ? 'compacted counts' : 'counts'} and rows for "%s" are those of a recount`,
      async (query, keep) => {
        if (compacted) await api.db.sql`select compact_counts()`;
        const wanted = rows.filter(keep);
        const { events: found, stats, nextCursor } = await list(`${query}&limit=500`.replace(/^&/, ''));
        const ids = new Set(rows.map((r) => r.id));
        expect(found.filter((r) => ids.has(r.id)).map((r) => r.id)).toEqual(wanted.map((r) => r.id).toReversed());
        const count = (status: string) => wanted.filter((r) => r.status === status).length;
        expect(stats).toEqual({
          pending: count('pending'),
          applied: count('applied'),
          failed: count('failed'),
          unresolved: wanted.filter((r) => r.domain_id === null).length,
        });
        expect(nextCursor).toBeNull();
      },
    );
  }

  it('stats are those of the filter, not of the page', async () => {
    const { events: found, stats } = await list('source=filters-1&limit=3');
    expect(found).toHaveLength(3);
    expect(stats.applied + stats.pending + stats.failed).toBe(42);
  });

  it('answers the rows as the database has them, without the machinery', async () => {
    const answer = await api.call('GET', `${path}?limit=5`);
    v.assert(eventList, answer.body);
    expect(JSON.stringify(answer.body)).not.toMatch(/content_hash|group_id/);
  });
});

describe('paging', () => {
  it('visits each row once, newest first, while rows are added', async () => {
    const start = Date.UTC(2026, 3, 25);
    // Several rows share a millisecond.
    const rows = await insert(
      ...Array.from({ length: 95 }, (_, index) => eventOf(start + Math.floor(index / 4), { source: 'paging' })),
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 20; page += 1) {
      const { events: found, nextCursor }: List = await list(
        `source=paging&limit=10${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...found.map((row) => row.id));
      await insert(eventOf(start + minute + page, { source: 'paging' }));
      cursor = nextCursor;
      if (cursor === null) break;
    }
    expect(cursor).toBeNull();
    expect(seen).toEqual(
      rows
        .map((row) => row.id)
        .toSorted()
        .toReversed(),
    );
  });

  it('has no cursor where the rows end with the page', async () => {
    await insert(eventOf(now, { source: 'exact' }), eventOf(now + 1, { source: 'exact' }));
    expect((await list('source=exact&limit=2')).nextCursor).toBeNull();
    expect((await list('source=exact&limit=1')).nextCursor).not.toBeNull();
  });
});

interface Detail {
  readonly event: EventRow;
  readonly attempts: { result: string; attempt: number; error: string | null }[];
  readonly replays: { actor: string }[];
  readonly deliveries: { channel: string; attempts: { delivered: boolean }[] }[];
  readonly incidents: { id: string }[];
  readonly domain: { domain: string; tls_status: string } | null;
  readonly timeline: { at: string; kind: string; actor?: string; error?: string }[];
}

const noticeOf = (
  at: number,
  domainId: string,
  values: Partial<typeof notifications.$inferInsert> = {},
): typeof notifications.$inferInsert & { id: string } => ({
  id: idAt(at),
  kind: 'alert',
  action: 'fire',
  alert_key: `${domainId}:tls_error`,
  cycle: 'one',
  class: 'tls_error',
  severity: 'critical',
  route: 'page',
  channel: 'ops-mail',
  domain_id: domainId,
  domain: 'story.example.com',
  summary: 'TLS error',
  body: {},
  fired_at: new Date(at),
  created_at: new Date(at),
  updated_at: new Date(at),
  ...values,
});

describe('one event', () => {
  it('comes with its tries, replays, incidents and domain as one story', async () => {
    const domain = domainOf({ domain: 'story.example.com', tls_status: 'tls_error' });
    const event = eventOf(now, {
      domain: 'story.example.com',
      domain_id: domain.id,
      event_type: 'renewal_failed',
      status: 'applied',
      retry_count: 0,
      generation: 1,
      dlq_replay_count: 1,
      processed_at: new Date(now + 9000),
    });
    await api.db.orm.insert(customDomains).values(domain);
    await insert(event);
    const tried = {
      event_id: event.id,
      generation: 0,
      error_class: 'internal',
      error: 'the database said no',
    } as const;
    await api.db.orm.insert(eventAttempts).values([
      { ...tried, attempt: 1, next_retry_at: new Date(now + 2000), created_at: new Date(now + 1000) },
      { ...tried, attempt: 2, next_retry_at: null, created_at: new Date(now + 2000) },
    ]);
    await api.db.orm
      .insert(eventReplays)
      .values({ event_id: event.id, generation: 1, actor: 'ops', reason: 'mended', created_at: new Date(now + 8000) });
    const raised = incidentOf(now, { domain: 'story.example.com', event_id: event.id });
    const resolved = incidentOf(now, {
      domain: 'story.example.com',
      incident_type: 'issuance_failed',
      status: 'resolved',
      context: { resolvedByEventId: event.id },
      resolved_at: new Date(now + 9000),
      resolved_by: 'ops',
    });
    await api.db.orm
      .insert(incidents)
      .values([raised, resolved, incidentOf(now, { domain: 'story.example.com', incident_type: 'tls_error' })]);

    const told = noticeOf(now + 9500, domain.id, { channel: 'ops-mail' });
    await api.db.orm.insert(notifications).values([told, noticeOf(now - 1, domain.id, { channel: 'before' })]);
    const sent = { notification_id: told.id, duration_ms: 5 };
    await api.db.orm.insert(notificationAttempts).values([
      { ...sent, attempt: 1, delivered: false, status: 500, error: '500 no', created_at: new Date(now + 9600) },
      { ...sent, attempt: 2, delivered: true, status: 200, created_at: new Date(now + 9700) },
    ]);

    const { status, body } = await api.call<Detail>('GET', `${path}/${event.id.toUpperCase()}`);
    expect(status).toBe(200);
    v.assert(eventDetail, body);
    expect(body.deliveries.map(({ channel, attempts }) => [channel, attempts.map((one) => one.delivered)])).toEqual([
      ['ops-mail', [false, true]],
    ]);
    expect(body.attempts.map(({ result, attempt }) => [result, attempt])).toEqual([
      ['failed', 1],
      ['failed', 2],
      ['applied', 1],
    ]);
    expect(body.replays).toEqual([
      {
        generation: 1,
        actor: 'ops',
        reason: 'mended',
        replay_id: null,
        result: null,
        created_at: new Date(now + 8000).toISOString(),
      },
    ]);
    expect(body.incidents.map(({ id }) => id).toSorted()).toEqual([raised.id, resolved.id].toSorted());
    expect(body.domain).toMatchObject({ domain: 'story.example.com', tls_status: 'tls_error' });
    expect(body.timeline.map(({ kind }) => kind)).toEqual([
      'received',
      'queued',
      'incident_raised',
      'try_failed',
      'try_failed',
      'failed',
      'replayed',
      'queued',
      'applied',
      'incident_resolved',
      'notification_decided',
      'notification_try',
      'notification_try',
    ]);
    expect(body.timeline[1]).toMatchObject({ job: event.group_id });
    expect(body.timeline[2]).toMatchObject({ incident: raised.id, incident_type: 'renewal_failed', tier: 2 });
    expect(body.timeline[6]).toMatchObject({ actor: 'ops', reason: 'mended' });
    expect(body.timeline[7]).toMatchObject({ job: `${event.id}-1` });
    expect(body.timeline[9]).toMatchObject({ incident: resolved.id, by: 'ops', note: null });
    expect(body.timeline[11]).toMatchObject({ channel: 'ops-mail', attempt: 1, status: 500, error: '500 no' });
  });

  it('has no domain while it is unresolved', async () => {
    const [event] = await insert(eventOf(now, { status: 'pending', domain_id: null }));
    const { body } = await api.call<Detail>('GET', `${path}/${event?.id}`);
    expect(body.domain).toBeNull();
    expect(body.attempts).toEqual([]);
    expect(body.timeline.map(({ kind }) => kind)).toEqual(['received', 'queued']);
  });

  it('is 404 when there is none', async () => {
    expect((await api.call('GET', `${path}/${idAt(now)}`)).status).toBe(404);
  });
});

interface Replayed {
  readonly ok: boolean;
  readonly event: EventRow;
}

describe('replay', () => {
  const failed = (values = {}) =>
    eventOf(now, {
      status: 'failed',
      domain_id: null,
      retry_count: 6,
      generation: 2,
      last_error: 'x',
      error_class: 'unresolved',
      ...values,
    });
  const replay = (id: string, body?: unknown) =>
    api.call<Replayed & { message: string }>('POST', `${path}/${id}/replay`, { role: 'operator', body });

  it('makes a failed event pending, queues its new generation and notes who asked', async () => {
    const [event] = await insert(failed());
    api.queues.jobs.length = 0;
    const { status, body } = await replay(event?.id ?? '', { reason: 'domain is back' });
    expect(status).toBe(200);
    v.assert(replayAnswer, body);
    expect(body.event).toMatchObject({
      status: 'pending',
      retry_count: 0,
      generation: 3,
      dlq_replay_count: 1,
      last_dlq_replayed_at: new Date(now).toISOString(),
    });
    expect(api.queues.jobs).toEqual([expect.objectContaining({ id: event?.id, generation: 3, tries: 0, delayMs: 0 })]);
    const notes = await api.db.orm
      .select()
      .from(eventReplays)
      .where(eq(eventReplays.event_id, event?.id ?? ''));
    expect(notes).toMatchObject([{ actor: 'operator', reason: 'domain is back', generation: 3 }]);
  });

  it('keeps the tries used up when told so', async () => {
    const [event] = await insert(failed({ retry_count: 4 }));
    api.queues.jobs.length = 0;
    const { body } = await replay(event?.id ?? '', { resetRetry: false, reason: '' });
    expect(body.event.retry_count).toBe(4);
    const [note] = await api.db.orm
      .select()
      .from(eventReplays)
      .where(eq(eventReplays.event_id, event?.id ?? ''));
    expect(note?.reason).toBeNull();
    expect(api.queues.jobs).toMatchObject([{ tries: 4 }]);
  });

  it('refuses an applied event without force, and changes nothing', async () => {
    const [event] = await insert(eventOf(now));
    const id = event?.id ?? '';
    expect((await replay(id)).status).toBe(409);
    expect((await replay(id, { force: false })).status).toBe(409);
    const [row] = await api.db.orm.select().from(events).where(eq(events.id, id));
    expect(row).toMatchObject({ status: 'applied', generation: 0 });
    const forced = await replay(id, { force: true });
    expect(forced.body).toMatchObject({ ok: true, event: { status: 'pending', outcome: null, generation: 1 } });
  });

  it.each([
    ['force as text', { force: 'true' }],
    ['resetRetry as a number', { resetRetry: 1 }],
    ['a reason that is no text', { reason: 5 }],
    ['a long reason', { reason: 'x'.repeat(2001) }],
    ['a NUL', { reason: 'a\0b' }],
    ['an unknown field', { other: 1 }],
    ['a list', '[]'],
    ['a text', '"text"'],
    ['broken JSON', '{'],
  ])('refuses %s', async (_, body) => {
    const [event] = await insert(failed());
    expect((await replay(event?.id ?? '', body)).status).toBe(400);
    const [row] = await api.db.orm
      .select()
      .from(events)
      .where(eq(events.id, event?.id ?? ''));
    expect(row?.status).toBe('failed');
  });

  it.each([
    ['hangs', () => void (api.queues.hang = true)],
    ['fails', () => void (api.queues.failWith = new Error('away'))],
  ])('answers all the same when the queue %s', async (_, break_) => {
    const [event] = await insert(failed());
    break_();
    const started = performance.now();
    const { status } = await replay(event?.id ?? '');
    api.queues.hang = false;
    api.queues.failWith = null;
    expect(status).toBe(200);
    expect(performance.now() - started).toBeLessThan(2000);
    const text = await api.ctx.metrics.registry.getSingleMetricAsString('fdt_cert_enqueue_failures_total');
    expect(text).toMatch(/fdt_cert_enqueue_failures_total [12]$/m);
  });
});
