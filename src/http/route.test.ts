import { Hono } from 'hono';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApi, type TestApi } from '../../test/support/api.ts';
import type { HttpEnv } from './env.ts';
import { route } from './route.ts';

const operation = {
  summary: 'A thing',
  tag: 'Things',
  role: 'viewer',
  scope: 'org',
  answers: { 200: { about: 'It' } },
} as const;

describe('what stands before every route of the API', () => {
  let api: TestApi;
  beforeAll(async () => {
    const routes = new Hono<HttpEnv>()
      .post('/plain', route(operation), (c) => c.json({ ok: true }))
      .get('/asked', route({ ...operation, query: v.strictObject({ a: v.optional(v.string()) }) }), (c) =>
        c.json({ ok: true }),
      );
    api = await createTestApi([routes], 0);
  });
  afterAll(() => api.close());

  it('refuses query parameters where a route has none, so that none is passed over', async () => {
    for (const query of ['?dryRun=true', '?a=1&b=2', '?=']) {
      const { status, body } = await api.call('POST', `/plain${query}`);
      expect([query, status, body['message']]).toEqual([query, 400, 'This takes no query parameters']);
    }
    for (const at of ['/plain', '/plain?']) expect((await api.call('POST', at)).status).toBe(200);
    expect((await api.call('GET', '/asked?a=1')).status).toBe(200);
  });

  it('tells nobody so who may not come in', async () => {
    expect((await api.call('POST', '/plain?a=1', { role: null })).status).toBe(401);
  });
});
