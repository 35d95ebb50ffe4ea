import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { type Door, type Rule, rulesOf, samplePath } from '../../src/http/rules.ts';
import { page } from '../../src/http/sessions.ts';
import { includesRole, type Role, roles } from '../../src/lifecycle/access.ts';
import { origin, signIn } from '../support/access.ts';
import { createTestApi, type TestApi, tokenOf } from '../support/api.ts';

// Every route with every role.
vi.setConfig({ testTimeout: 120_000 });

const changing = new Set(['POST', 'PUT', 'PATCH', 'DELETE', 'ALL']);
const anyId = '0197c1d2-0000-7000-8000-000000000000';

let api: TestApi;
let app: Hono<HttpEnv>;
let doors: Door[];

const build = (): Hono<HttpEnv> =>
  createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));

beforeAll(async () => {
  api = await createTestApi([], Date.UTC(2026, 10, 1));
  app = build();
  doors = rulesOf(app);
});
afterAll(() => api.close());

type Guarded = Exclude<Rule, { door: 'open' }>;

const guarded = (kind: 'bearer' | 'session'): [Door, Guarded][] =>
  doors.flatMap((door) => door.rules.flatMap((rule): [Door, Guarded][] => (rule.door === kind ? [[door, rule]] : [])));

const faultsOf = ({ method, path, rules }: Door): string[] => {
  const name = `${method} ${path}`;
  const kinds = new Set(rules.map(({ door }) => door));
  const changes = rules.some((rule) => rule.changes !== undefined);
  const ownDoor = kinds.has('open') || kinds.has(path.startsWith('/console') ? 'session' : 'bearer');
  return [
    ...(rules.length === 0 ? [`${name} has no rule`] : []),
    ...(kinds.size > 1 ? [`${name} has more than one kind of door`] : []),
    ...(rules.length > 0 && !ownDoor ? [`${name} takes the other door's key`] : []),
    ...(changing.has(method) && !kinds.has('open') && !changes ? [`${name} declares no audit action`] : []),
    ...(!changing.has(method) &&
    !kinds.has('open') &&
    changes &&
    !rules.some(({ changes: one }) => one === 'list.export')
      ? [`${name} only reads, and declares a change`]
      : []),
  ];
};

/** Asks as a client of the API, or as a signed-in browser; the status, without waiting for a stream. */
const ask = async ({ method, path }: Door, headers: Record<string, string>): Promise<number> => {
  const answer = await app.request(
    samplePath(path, (name) => (name === 'domain' ? 'a.example.com' : anyId)),
    {
      method: method === 'ALL' ? 'POST' : method,
      headers: { accept: 'application/json', ...headers },
    },
  );
  await answer.body?.cancel();
  return answer.status;
};

const bearer = (role: Role) => ({ authorization: `Bearer ${tokenOf(role)}` });
const ownPage = { origin, 'sec-fetch-site': 'same-origin' };

const wrongFor = (name: string, role: Role, status: number, needed: Role): string[] => {
  const let_in = status !== 401 && status !== 403;
  return let_in === includesRole(role, needed) ? [] : [`${name} as ${role}: ${status}`];
};

describe('the routes of the program', () => {
  it('state a rule each, with an audit action where they change something', () => {
    expect(doors.length).toBeGreaterThan(30);
    expect(doors.flatMap(faultsOf)).toEqual([]);
  });

  it('would not go unseen without one', () => {
    const other = build();
    other
      .get('/v1/admin/silent', (c) => c.text(''))
      .post('/console/silent', page({ role: 'viewer', scope: 'org' }), (c) => c.text(''));
    expect(rulesOf(other).flatMap(faultsOf)).toEqual([
      'GET /v1/admin/silent has no rule',
      'POST /console/silent declares no audit action',
    ]);
  });

  it('are open to everybody only where that is known', () => {
    const open = doors.filter(({ rules }) => rules.some(({ door }) => door === 'open'));
    const names = open
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !/\/console\/assets\//.test(name));
    expect(names.toSorted()).toEqual([
      'GET /',
      'GET /console/login',
      'GET /console/login/oidc',
      'GET /console/login/oidc/callback',
      'GET /livez',
      'GET /openapi.json',
      'GET /readyz',
      'POST /console/login',
      'POST /v1/domains/cert-events',
    ]);
  });
});

describe('the API', () => {
  it('tells those who are nobody 401', async () => {
    const wrong: string[] = [];
    for (const [door] of guarded('bearer')) {
      for (const headers of [{}, { authorization: 'Bearer not-a-token' }]) {
        const status = await ask(door, headers);
        if (status !== 401) wrong.push(`${door.method} ${door.path}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(roles)('lets a %s do what the rules say, and nothing else', async (role) => {
    const wrong: string[] = [];
    for (const [door, { role: needed }] of guarded('bearer'))
      wrong.push(...wrongFor(`${door.method} ${door.path}`, role, await ask(door, bearer(role)), needed));
    expect(wrong).toEqual([]);
  });

  it('does not take the cookie of the console', async () => {
    const cookie = await signIn(app, tokenOf('admin'));
    for (const [door] of guarded('bearer')) expect(await ask(door, { cookie, ...ownPage })).toBe(401);
  });
});

describe('the console', () => {
  it('tells those who are nobody 401, and does not take the token of the API', async () => {
    const wrong: string[] = [];
    for (const [door] of guarded('session')) {
      // Bull Board alone serves scripts as well.
      const withToken = door.path.startsWith('/console/bull-board') ? [] : [bearer('admin')];
      for (const headers of [{}, { cookie: '__Host-notafter=guess' }, ...withToken]) {
        const status = await ask(door, { ...ownPage, ...headers });
        if (status !== 401) wrong.push(`${door.method} ${door.path}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(roles)('lets a %s do what the rules say, and nothing else', async (role) => {
    const wrong: string[] = [];
    for (const [door, { role: needed }] of guarded('session')) {
      // Anew each time: one of the routes signs out.
      const cookie = await signIn(app, tokenOf(role));
      const status = await ask(door, { ...ownPage, cookie });
      wrong.push(...wrongFor(`${door.method} ${door.path}`, role, status, needed));
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['another origin', { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' }],
    ['a port beside ours', { origin: 'http://localhost:81' }],
    ['an origin that is hidden', { origin: 'null' }],
    ['no word of where from', {}],
    ['another site', { origin, 'sec-fetch-site': 'cross-site' }],
    ['a neighbour under the same name', { origin, 'sec-fetch-site': 'same-site' }],
    ['a page of another site', { referer: 'https://evil.example/http://localhost/' }],
  ])('refuses changes that come from %s', async (_, headers) => {
    const wrong: string[] = [];
    const cookie = await signIn(app, tokenOf('admin'));
    const changes = guarded('session').filter(([{ method }]) => changing.has(method));
    for (const [door] of changes) {
      const status = await ask(door, { cookie, ...headers });
      if (status !== 403) wrong.push(`${door.method} ${door.path}: ${status}`);
    }
    expect(changes.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });

  it('takes a Referer of its own where a browser leaves Origin out', async () => {
    const cookie = await signIn(app, tokenOf('viewer'));
    const answer = await app.request('/console/logout', {
      method: 'POST',
      headers: { cookie, referer: `${origin}/console` },
    });
    expect(answer.status).toBe(303);
  });
});
