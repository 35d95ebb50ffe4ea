import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certSources, events } from '../../src/db/schema.ts';
import type { SourceRow } from '../../src/db/source-reads.ts';
import { sourceList } from '../../src/http/answers.ts';
import { sourceRoutes } from '../../src/http/sources.ts';
import { createTestApi, eventOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const path = '/v1/admin/cert-sources';

interface List {
  readonly sources: SourceRow[];
  readonly nextCursor: string | null;
}

let api: TestApi;
const last = eventOf(now - 5000, {
  source: 'certbot',
  cluster_id: null,
  event_type: 'renewal_failed',
  status: 'failed',
});
const good = eventOf(now - 4000, { source: 'certbot', cluster_id: 'eu' });

beforeAll(async () => {
  api = await createTestApi([sourceRoutes()], now);
  await api.db.orm.insert(events).values([last, good]);
  const seen = (row: typeof last) => ({
    last_event_id: row.id,
    last_event_type: row.event_type,
    last_seen_at: row.created_at,
  });
  await api.db.orm.insert(certSources).values([
    { source: 'lego', cluster_id: 'us', signature_failures: 7 },
    { source: 'certbot', cluster_id: 'eu', events_total: 12, ...seen(good) },
    { source: 'certbot', cluster_id: '', events_total: 3, ...seen(last) },
  ]);
});
afterAll(() => api.close());

const list = async (query: string) => {
  const answer = await api.call<List>('GET', `${path}?${query}`, { role: 'viewer' });
  expect(answer).toMatchObject({ status: 200 });
  v.assert(sourceList, answer.body);
  return answer.body;
};

describe('sources', () => {
  it('have exactly the columns of the contract, with the state of the last event', async () => {
    const { sources } = await list('limit=500');
    expect(sources).toEqual([
      {
        source: 'certbot',
        cluster_id: null,
        last_event_id: last.id,
        last_event_type: 'renewal_failed',
        last_status: 'failed',
        events_total: 3,
        signature_failures: 0,
        last_seen_at: new Date(now - 5000).toISOString(),
      },
      {
        source: 'certbot',
        cluster_id: 'eu',
        last_event_id: good.id,
        last_event_type: 'renewal_succeeded',
        last_status: 'applied',
        events_total: 12,
        signature_failures: 0,
        last_seen_at: new Date(now - 4000).toISOString(),
      },
      {
        source: 'lego',
        cluster_id: 'us',
        last_event_id: null,
        last_event_type: null,
        last_status: null,
        events_total: 0,
        signature_failures: 7,
        last_seen_at: null,
      },
    ]);
  });

  it.each([
    ['source=certbot', 2],
    ['clusterId=eu', 1],
    ['status=failed', 1],
    ['status=pending', 0],
    ['source=certbot&clusterId=us', 0],
  ])('%s gives %i', async (query, count) => {
    expect((await list(query)).sources).toHaveLength(count);
  });

  it('come page by page, each once', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: List = await list(`limit=1${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.sources.map(({ source, cluster_id }) => `${source}:${cluster_id ?? ''}`));
      cursor = page.nextCursor;
    } while (cursor !== null && seen.length < 10);
    expect(seen).toEqual(['certbot:', 'certbot:eu', 'lego:us']);
  });

  it.each([
    'status=ok',
    'limit=0',
    'limit=501',
    'source=',
    'clusterId=',
    'since=1',
    'cursor=zz',
    'cursor=',
    'cursor=WyJhIl0',
    'cursor=WyIiLCIiXQ',
    'source=a&source=b',
  ])('refuses %s', async (query) => {
    expect((await api.call('GET', `${path}?${query}`)).status).toBe(400);
  });

  it('are for those with a token', async () => {
    expect((await api.call('GET', path, { role: null })).status).toBe(401);
  });
});
