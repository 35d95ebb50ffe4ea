import { randomUUID } from 'node:crypto';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { domainAddresses, notifications, probeObservations } from '../../src/db/schema-served.ts';
import { customDomains, eventAttempts, events, incidents } from '../../src/db/schema.ts';
import { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { type Door, rulesOf, samplePath } from '../../src/http/rules.ts';
import { includesRole, type Role, roles } from '../../src/lifecycle/access.ts';
import { origin, signIn } from '../support/access.ts';
import { createTestApi, domainOf, eventOf, incidentOf, type TestApi, tokenOf } from '../support/api.ts';

// Every route, many times: with all the console's pages that takes its time on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

const now = Date.UTC(2026, 10, 1);

/** All that an organisation has, and how to find it again in what anybody is told. */
interface World {
  readonly org: string;
  readonly domain: string;
  /** What a parameter of a path stands for, by the segment in front of it. */
  readonly ids: Readonly<Record<string, string>>;
  /** Words that stand in nothing but this organisation's own things. */
  readonly words: readonly string[];
}

let api: TestApi;
let app: Hono<HttpEnv>;
let own: World;
let other: World;
const tokens = new Map<Role, string>();

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What an answer says within half a second: a stream has said what it says first by then. */
const textOf = async (answer: Response): Promise<string> => {
  const reader = answer.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  const ends = AbortSignal.timeout(500);
  const stopped = new Promise<null>((resolve) => {
    ends.addEventListener('abort', () => resolve(null));
  });
  let text = '';
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true;
  for (;;) {
    const chunk = await (isStream ? Promise.race([reader.read(), stopped]) : reader.read());
    if (chunk === null || chunk.done) break;
    text += decoder.decode(chunk.value, { stream: true });
  }
  await reader.cancel();
  return text;
};

const send = async ({
  method,
  path,
  headers,
  body,
}: Call): Promise<{ readonly status: number; readonly text: string }> => {
  const answer = await app.request(path, { method, headers, ...(body !== undefined && { body }) });
  return { status: answer.status, text: await textOf(answer) };
};

const asAdmin = async (path: string, body: unknown): Promise<Record<string, unknown>> => {
  const { body: answer, status } = await api.call('POST', path, { body });
  if (status >= 300) throw new Error(`${path} was answered ${status}: ${JSON.stringify(answer)}`);
  return answer;
};

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;

const settle = async (name: string): Promise<World> => {
  const org = `org-${name}`;
  const domain = `shop.${name}.example`;
  const error = `word-of-${name} went wrong`;
  const row = domainOf({
    domain,
    org_id: org,
    region: `region-${name}`,
    tls_last_error: error,
    tls_status: 'tls_error',
  });
  const event = eventOf(now - 60_000, {
    org_id: org,
    domain,
    domain_id: row.id,
    status: 'failed',
    last_error: error,
    error_class: 'internal',
    error_pattern: error,
    error_fingerprint: name,
    retry_count: 6,
    reason: error,
  });
  const incident = incidentOf(now - 50_000, { org_id: org, domain, domain_id: row.id, reason: error });
  const notification = randomUUID();
  const at = new Date(now - 40_000);
  const { orm } = api.db;
  await orm.insert(customDomains).values(row);
  await orm.insert(events).values(event);
  await orm.insert(eventAttempts).values({
    event_id: event.id,
    generation: 0,
    attempt: 6,
    error_class: 'internal',
    error,
    created_at: at,
  });
  await orm.insert(incidents).values(incident);
  await orm.insert(notifications).values({
    id: notification,
    kind: 'alert',
    action: 'fire',
    alert_key: `${row.id}:tls_error`,
    cycle: name,
    class: 'tls_error',
    severity: 'critical',
    route: 'ticket',
    channel: 'hook',
    domain_id: row.id,
    domain,
    org_id: org,
    summary: error,
    body: { error },
    status: 'dead',
    last_error: error,
    fired_at: at,
    created_at: at,
    updated_at: at,
  });
  const look = { domain_id: row.id, address: '192.0.2.1', verdict: 'expired', error, depth: 'full' } as const;
  await orm.insert(domainAddresses).values({ ...look, checked_at: at });
  await orm.insert(probeObservations).values({ ...look, created_at: at });
  const { token, accessToken } = await asAdmin('/v1/admin/tokens', {
    name: `word-of-${name}`,
    role: 'viewer',
    orgId: org,
  });
  await signIn(app, String(token));
  const [session] = await api.db.sql<{ id: string }[]>`select id from console_sessions where org_id = ${org}`;
  const plan = await asAdmin('/v1/admin/replays', { status: 'failed', orgId: org, reason: error });
  const replay = String(member(plan['plan'] ?? plan['replay'], 'id') ?? plan['planId'] ?? plan['replayId']);
  const tokenId = String(member(accessToken, 'id'));
  const ids = {
    domains: domain,
    custom: row.id,
    'cert-events': event.id,
    events: event.id,
    'cert-incidents': incident.id,
    incidents: incident.id,
    notifications: notification,
    replays: replay,
    tokens: tokenId,
    sessions: session?.id ?? '',
  };
  const { replays: _number, ...unique } = ids;
  return { org, domain, ids, words: [...new Set(Object.values(unique)), domain, `word-of-${name}`, `region-${name}`] };
};

beforeAll(async () => {
  api = await createTestApi([], now);
  app = createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));
  Object.assign(api.app, { request: app.request });
  own = await settle('alpha');
  other = await settle('bravo');
  // What spans both is nobody's who is bound to one.
  await asAdmin('/v1/admin/replays', { status: 'failed', reason: 'word-of-bravo, and all others' });
  for (const role of roles) {
    const made = await asAdmin('/v1/admin/tokens', { name: `walker ${role}`, role, orgId: own.org });
    tokens.set(role, String(made['token']));
  }
});
afterAll(() => api.close());

const reads = new Set(['GET', 'HEAD']);

/** The path of a door with what the parameters stand for in a world. */
const fill = (path: string, world: World): string => {
  const filled = path.replaceAll(/\/([\w-]+)\/:(\w+)(?:\{[^}]*\})?/g, (_, segment: string, name: string) => {
    const id = world.ids[segment];
    if (id === undefined) throw new Error(`say in this test what :${name} of ${path} stands for`);
    return `/${segment}/${id}`;
  });
  return samplePath(filled);
};

const doorsOf = (kind: 'bearer' | 'session', scope: 'org' | 'all'): (Door & { readonly role: Role })[] =>
  rulesOf(app).flatMap((door) => {
    const rule = door.rules.find((one) => one.door === kind);
    return rule === undefined || rule.door === 'open' || rule.scope !== scope ? [] : [{ ...door, role: rule.role }];
  });

const bearer = (role: Role) => ({ authorization: `Bearer ${tokens.get(role) ?? ''}` });
const browser = async (token: string) => ({
  cookie: await signIn(app, token),
  origin,
  'sec-fetch-site': 'same-origin',
  accept: 'text/html',
});

/** Ways to ask for the other organisation's things without naming one in the path. */
const queries = (): string[] => [
  '',
  `?orgId=${other.org}`,
  `?domain=${other.domain}`,
  `?q=${other.domain}`,
  '?status=failed',
  '?format=ndjson',
];

const leaks = (text: string, world: World, said: string): string[] =>
  world.words.filter((word) => text.includes(word) && !said.includes(word));

/** All rows that belong to a world or speak of it, in one text, but for those in which the walkers' own organisation does. */
const holdings = async (world: World, walkers: World): Promise<string> => {
  const tables = await api.db.sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind = 'r' and c.relname not in ('audit_log', 'access_attempts') order by 1`;
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await api.db.sql<{ row: string }[]>`
      select row_to_json(t)::text as row from ${api.db.sql(name)} t
      where row_to_json(t)::text ~ ${[...world.words, world.org].join('|')}
        and to_jsonb(t) ->> 'org_id' is distinct from ${walkers.org} order by 1`;
    found.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return found.join('\n');
};

describe.each(roles)('a %s of one organisation', (role) => {
  it('reads nothing of another over the API', async () => {
    const wrong: string[] = [];
    let allowed = 0;
    for (const { method, path } of doorsOf('bearer', 'org').filter((door) => reads.has(door.method))) {
      for (const query of queries()) {
        const said = fill(path, other) + query;
        const { status, text } = await send({ method, path: said, headers: bearer(role) });
        if (status === 200) allowed += 1;
        wrong.push(...leaks(text, other, said).map((word) => `${said} (${status}) tells ${word}`));
      }
    }
    expect(allowed).toBeGreaterThan(5);
    expect(wrong).toEqual([]);
  });

  it('finds nothing at the address of a thing of another', async () => {
    const wrong: string[] = [];
    for (const { method, path, role: needed } of doorsOf('bearer', 'org')) {
      if (!reads.has(method) || !path.includes(':') || !includesRole(role, needed)) continue;
      const { status } = await send({ method, path: fill(path, other), headers: bearer(role) });
      const { status: ours } = await send({ method, path: fill(path, own), headers: bearer(role) });
      if (status !== 404 || ours !== 200) wrong.push(`${path}: ${status}, its own ${ours}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is refused what spans organisations', async () => {
    const headers = await browser(tokens.get(role) ?? '');
    const wrong: string[] = [];
    for (const { method, path } of [...doorsOf('bearer', 'all'), ...doorsOf('session', 'all')]) {
      const by = path.startsWith('/console') ? headers : bearer(role);
      const { status, text } = await send({ method, path: samplePath(path), headers: by });
      if (status !== 403) wrong.push(`${method} ${path}: ${status}`);
      wrong.push(...leaks(text, other, ''));
    }
    expect(wrong).toEqual([]);
  });
});

// The audit log first: what is typed in exports is kept there, with the own organisation's things.
describe.each([
  { what: 'the audit log', isAsked: (path: string) => path.includes('/audit') },
  { what: 'the rest', isAsked: (path: string) => !path.includes('/audit') },
])('$what of the console', ({ isAsked }) => {
  it.each(roles)('tells a %s of one organisation nothing of another', async (role) => {
    const wrong: string[] = [];
    const headers = await browser(tokens.get(role) ?? '');
    const doors = doorsOf('session', 'org').filter(({ method, path }) => reads.has(method) && isAsked(path));
    expect(doors.length).toBeGreaterThan(0);
    for (const { method, path } of doors) {
      for (const query of queries()) {
        const said = fill(path, other) + query;
        const { status, text } = await send({ method, path: said, headers });
        wrong.push(...leaks(text, other, said).map((word) => `${said} (${status}) tells ${word}`));
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe.each(roles)('a %s of one organisation', (role) => {
  it('changes nothing of another, whatever it sends', async () => {
    const before = await holdings(other, own);
    const wrong: string[] = [];
    const bodies = [
      {},
      { orgId: other.org },
      { domain: other.domain },
      { domain: other.domain, orgId: own.org },
      { domain: other.domain, all: true },
      { status: 'failed' },
      { status: 'failed', all: true },
      { verified: true, tlsMode: 'termination', region: 'eu' },
      { orgId: own.org, region: 'eu' },
      { region: 'eu' },
      { failurePolicy: 'hold' },
      { policy: 'hold' },
      { name: `sly ${role}`, role: 'viewer', orgId: other.org },
    ];
    const doors = doorsOf('bearer', 'org').filter(({ method }) => !reads.has(method));
    for (const { method, path } of doors) {
      const type = path.endsWith('/import') ? 'application/x-ndjson' : 'application/json';
      for (const body of bodies) {
        const headers = { ...bearer(role), 'content-type': type };
        const said = `${method} ${path} ${JSON.stringify(body)}`;
        const { text } = await send({ method, path: fill(path, other), headers, body: JSON.stringify(body) });
        wrong.push(...leaks(text, other, said + fill(path, other)).map((word) => `${said} is told ${word}`));
      }
    }
    const headers = { ...(await browser(tokens.get(role) ?? '')), 'content-type': 'application/x-www-form-urlencoded' };
    const actions = doorsOf('session', 'org').filter(
      (door) => !reads.has(door.method) && door.path !== '/console/logout',
    );
    for (const { method, path } of actions) {
      for (const [segment, id] of Object.entries(other.ids)) {
        const fields = {
          id,
          ids: id,
          [segment]: id,
          domain: other.domain,
          orgId: other.org,
          name: 'sly',
          role: 'viewer',
        };
        const body = new URLSearchParams(fields).toString();
        await send({ method, path: fill(path, other), headers, body });
      }
    }
    expect(wrong).toEqual([]);
    expect(doors.length).toBeGreaterThan(10);
    expect(await holdings(other, own)).toBe(before);
  });
});

describe('the walk itself', () => {
  it('comes upon the other organisation where nothing is in its way', async () => {
    const blind: string[] = [];
    for (const { method, path } of doorsOf('bearer', 'org').filter((door) => reads.has(door.method))) {
      const headers = { authorization: `Bearer ${tokenOf('admin')}` };
      const said = fill(path, other) + (path.endsWith('/export') ? '?format=ndjson' : '');
      const { text } = await send({ method, path: said, headers });
      if (leaks(text, other, said).length === 0) blind.push(path);
    }
    expect(blind).toEqual([]);
  });

  it('sees what an administrator of all changes', async () => {
    const before = await holdings(other, own);
    expect(before.length).toBeGreaterThan(1000);
    await api.call('PUT', `/v1/admin/domains/${other.domain}`, { body: { failurePolicy: 'hold' } });
    expect(await holdings(other, own)).not.toBe(before);
  });
});

describe('an admin of one organisation', () => {
  const put = (domain: string, body: unknown) =>
    send({
      method: 'PUT',
      path: `/v1/admin/domains/${domain}`,
      headers: { ...bearer('admin'), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('registers and changes domains of its own', async () => {
    const made = await put('new.alpha.example', { region: 'eu' });
    expect(made.status).toBe(201);
    expect(JSON.parse(made.text)).toMatchObject({ domain: { org_id: own.org, verified: false } });
    expect((await put('new.alpha.example', { failurePolicy: 'strict', orgId: own.org })).status).toBe(200);
  });

  it.each([
    ['for another organisation', 'x.alpha.example', { orgId: 'org-bravo' }, 403],
    ['for none', 'x.alpha.example', { orgId: null }, 403],
    ['that another has', 'shop.bravo.example', { region: 'eu' }, 409],
    ['that it says is its own', 'x.alpha.example', { verified: true }, 403],
  ])('registers none %s', async (_, domain, body, status) => {
    const before = await api.db.sql`select * from custom_domains order by id`;
    expect((await put(domain, body)).status).toBe(status);
    expect(await api.db.sql`select * from custom_domains order by id`).toEqual(before);
  });

  it('is told line by line what it may not import', async () => {
    const lines = [
      { domain: 'import.alpha.example', region: 'eu' },
      { domain: other.domain, region: 'eu' },
      { domain: 'x.alpha.example', orgId: other.org },
      { domain: 'y.alpha.example', verified: true },
    ];
    const { text } = await send({
      method: 'POST',
      path: '/v1/admin/domains/import',
      headers: { ...bearer('admin'), 'content-type': 'application/x-ndjson' },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    });
    const { imported, failed, errors } = JSON.parse(text) as Record<string, unknown>; // an answer of the import
    expect({ imported, failed }).toEqual({ imported: 1, failed: 3 });
    expect(errors).toHaveLength(3);
    expect(errors).toEqual(
      expect.arrayContaining([
        { line: 2, message: 'The name is registered already' },
        { line: 3, message: 'Your access is bound to another organisation' },
        { line: 4, message: 'The domain must be verified by its TXT record' },
      ]),
    );
  });
});
