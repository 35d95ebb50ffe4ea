import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IncidentRow, IncidentStats } from '../../src/db/incident-reads.ts';
import { incidents } from '../../src/db/schema.ts';
import { incidentAnswer, incidentList } from '../../src/http/answers.ts';
import { incidentRoutes } from '../../src/http/incidents.ts';
import { createTestApi, idAt, incidentOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const path = '/v1/admin/cert-incidents';

interface List {
  readonly incidents: IncidentRow[];
  readonly nextCursor: string | null;
  readonly stats: IncidentStats;
}

interface Settled {
  readonly ok: boolean;
  readonly incident: IncidentRow;
  readonly alreadyAcknowledged?: true;
  readonly alreadyResolved?: true;
}

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([incidentRoutes()], now);
});
afterAll(() => api.close());

const insert = async (...rows: ReturnType<typeof incidentOf>[]) => {
  await api.db.orm.insert(incidents).values(rows);
  return rows;
};
const list = async (query: string) => {
  const answer = await api.call<List>('GET', `${path}?${query}`);
  expect(answer).toMatchObject({ status: 200 });
  v.assert(incidentList, answer.body);
  return answer.body;
};
const act = (id: string | undefined, verb: 'ack' | 'resolve', body?: unknown) =>
  api.call<Settled>('POST', `${path}/${id}/${verb}`, { role: 'operator', body });

describe('who may', () => {
  const id = '01890000-0000-7000-8000-000000000000';
  it.each([
    ['GET', path, null, 401],
    ['GET', path, 'viewer', 200],
    ['POST', `${path}/${id}/ack`, null, 401],
    ['POST', `${path}/${id}/ack`, 'viewer', 403],
    ['POST', `${path}/${id}/ack`, 'operator', 404],
    ['POST', `${path}/${id}/resolve`, null, 401],
    ['POST', `${path}/${id}/resolve`, 'viewer', 403],
    ['POST', `${path}/${id}/resolve`, 'admin', 404],
  ] as const)('%s %s as %s is %i', async (method, route, role, status) => {
    expect((await api.call(method, route, { role })).status).toBe(status);
  });
});

describe('what is refused', () => {
  it.each([
    'status=closed',
    'tier=0',
    'tier=4',
    'tier=1.0',
    'tier=',
    'type=outage',
    'domain=a%20b',
    'limit=0',
    'limit=501',
    'cursor=x',
    'cursor=',
    'source=',
    'clusterId=a%00',
    'orgId=',
    'eventType=renewal_failed',
  ])('the query %s', async (query) => {
    expect((await api.call('GET', `${path}?${query}`)).status).toBe(400);
  });

  it.each([
    ['a note that is no text', { note: 1 }],
    ['a long note', { note: 'x'.repeat(2001) }],
    ['an unknown field', { reason: 'x' }],
    ['a NUL', { note: '\0' }],
    ['a list', '[]'],
  ])('%s', async (_, body) => {
    const [row] = await insert(incidentOf(now));
    expect((await act(row?.id, 'ack', body)).status).toBe(400);
    expect((await act(row?.id, 'resolve', body)).status).toBe(400);
    expect((await act('not-a-uuid', 'ack')).status).toBe(400);
  });
});

describe('the list', () => {
  const day = Date.UTC(2026, 3, 1);
  const rows = Array.from({ length: 60 }, (_, index) =>
    incidentOf(day + Math.floor(index / 3), {
      org_id: 'listed',
      status: (['open', 'acknowledged', 'resolved'] as const)[index % 3] ?? 'open',
      tier: ([1, 2, 3] as const)[Math.floor(index / 2) % 3] ?? 1,
      incident_type: index % 2 === 0 ? 'renewal_failed' : 'tls_error',
      source: `s-${index % 4}`,
      cluster_id: index % 5 === 0 ? null : 'eu',
      domain: index === 7 ? 'xn--bcher-kva.example' : `i${index}.example.com`,
    }),
  );
  beforeAll(() => insert(...rows));

  type Row = (typeof rows)[number];
  it.each<[string, (row: Row) => boolean]>([
    ['', () => true],
    ['status=open', (r) => r.status === 'open'],
    ['status=resolved&tier=3', (r) => r.status === 'resolved' && r.tier === 3],
    ['tier=1', (r) => r.tier === 1],
    ['type=tls_error', (r) => r.incident_type === 'tls_error'],
    ['source=s-2', (r) => r.source === 's-2'],
    ['clusterId=eu', (r) => r.cluster_id === 'eu'],
    ['domain=b%C3%BCcher.example', (r) => r.domain === 'xn--bcher-kva.example'],
  ])('rows and stats for "%s" are those of a recount', async (query, keep) => {
    const wanted = rows.filter(keep);
    const { incidents: found, stats } = await list(`orgId=listed&${query}`.replace(/&$/, ''));
    expect(found.map(({ id }) => id)).toEqual(
      wanted
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
    const count = (test: (row: Row) => boolean) => wanted.filter(test).length;
    expect(stats).toEqual({
      total: wanted.length,
      open: count((r) => r.status === 'open'),
      acknowledged: count((r) => r.status === 'acknowledged'),
      resolved: count((r) => r.status === 'resolved'),
      tier3_open: count((r) => r.status === 'open' && r.tier === 3),
    });
  });

  it('pages visit each row once while rows are added', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: List = await list(`orgId=listed&limit=7${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.incidents.map(({ id }) => id));
      await insert(incidentOf(now, { org_id: 'listed' }));
      cursor = page.nextCursor;
    } while (cursor !== null && seen.length < 200);
    expect(seen).toEqual(
      rows
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    );
  });
});

describe('acknowledging and resolving', () => {
  it('records who and why, once', async () => {
    const [row] = await insert(incidentOf(now - 1000));
    const first = await act(row?.id, 'ack', { note: 'on it' });
    expect(first.status).toBe(200);
    v.assert(incidentAnswer, first.body);
    const at = new Date(now).toISOString();
    expect(first.body.incident).toMatchObject({
      status: 'acknowledged',
      acknowledged_by: 'operator',
      acknowledge_note: 'on it',
      acknowledged_at: at,
      updated_at: at,
    });
    expect(first.body).not.toHaveProperty('alreadyAcknowledged');

    const again = await api.call<Settled>('POST', `${path}/${row?.id}/ack`, {
      role: 'admin',
      body: { note: 'me too' },
    });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({
      ok: true,
      alreadyAcknowledged: true,
      incident: { acknowledged_by: 'operator', acknowledge_note: 'on it' },
    });
  });

  it('resolves an open or acknowledged one, and keeps who acknowledged it', async () => {
    const [row] = await insert(incidentOf(now));
    await act(row?.id, 'ack');
    const first = await act(row?.id, 'resolve', { note: 'renewed by hand' });
    expect(first.body).toEqual({
      ok: true,
      incident: expect.objectContaining({
        status: 'resolved',
        resolved_by: 'operator',
        resolve_note: 'renewed by hand',
        acknowledged_by: 'operator',
      }),
    });
    const again = await act(row?.id, 'resolve', { note: null });
    expect(again).toMatchObject({
      status: 200,
      body: { ok: true, alreadyResolved: true, incident: { resolve_note: 'renewed by hand' } },
    });
  });

  it('does not acknowledge what is resolved', async () => {
    const [row] = await insert(incidentOf(now, { status: 'resolved' }));
    expect((await act(row?.id, 'ack')).status).toBe(409);
  });

  it('has one winner when many come at once', async () => {
    const [row] = await insert(incidentOf(now));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => act(row?.id, 'ack', { note: `n${index}` })),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(answers.filter(({ body }) => body.alreadyAcknowledged === undefined)).toHaveLength(1);
    expect(new Set(answers.map(({ body }) => body.incident.acknowledge_note)).size).toBe(1);
  });

  it('is 404 when there is none', async () => {
    expect((await act(idAt(now), 'ack')).status).toBe(404);
    expect((await act(idAt(now), 'resolve')).status).toBe(404);
  });
});
