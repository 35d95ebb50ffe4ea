import { createHash } from 'node:crypto';
import type { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { cookieOf, origin, postForm, signIn } from '../support/access.ts';
import { createTestApi, type TestApi, tokenOf } from '../support/api.ts';

const start = Date.UTC(2026, 10, 1);
const minute = 60_000;
const hour = 60 * minute;

let api: TestApi;
let app: Hono<HttpEnv>;

beforeAll(async () => {
  api = await createTestApi([], start);
  app = createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));
});
afterAll(() => api.close());
beforeEach(async () => {
  api.setNow(start);
  await api.db.sql`delete from access_attempts`;
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

const call = async (method: string, path: string, token: string, body?: unknown): Promise<Answer> => {
  const answer = await app.request(path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  // Every answer of the API is an object.
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
};
const admin = (method: string, path: string, body?: unknown) => call(method, path, tokenOf('admin'), body);

let made = 0;
const makeToken = async (role: Role, more: Record<string, unknown> = {}) => {
  made += 1;
  const { status, body } = await admin('POST', '/v1/admin/tokens', { name: `made ${made}`, role, ...more });
  if (status !== 201) throw new Error(`making a token was answered ${status}: ${JSON.stringify(body)}`);
  const row = body['accessToken'] as { id: string; name: string }; // checked by its use
  return { token: String(body['token']), ...row };
};
const revokeToken = (id: string) => admin('POST', `/v1/admin/tokens/${id}/revoke`, { reason: 'over' });

/** What the console says to a cookie: 303 to the login page counts as nobody, 404 as somebody for whom there is nothing. */
const isSignedIn = async (cookie: string): Promise<boolean> => {
  const answer = await app.request('/console/login', { headers: { cookie, accept: 'text/html' } });
  return answer.status === 303;
};

const auditRows = () => api.db.sql<{ action: string; actor: string; reason: string | null; text: string }[]>`
  select action, actor, reason, row_to_json(audit_log)::text as text from audit_log order by seq`;

describe('tokens', () => {
  it('are shown once, kept as a hash, and let their owner in', async () => {
    const { token, id, name } = await makeToken('operator');
    expect(token).toMatch(/^nat_[\w-]{8}_[\w-]{43}$/);
    const [row] = await api.db.sql<{ hash: Buffer; row: string }[]>`
      select hash, row_to_json(t)::text as row from access_tokens t where id = ${id}`;
    expect(row?.hash).toEqual(createHash('sha256').update(token).digest());
    expect(row?.row).not.toContain(token);
    expect((await call('GET', '/v1/admin/cert-incidents', token)).status).toBe(200);
    expect((await call('GET', '/v1/admin/tokens', token)).status).toBe(403);
    const { body } = await admin('GET', '/v1/admin/tokens');
    expect(JSON.stringify(body)).not.toContain(token);
    expect(body['tokens']).toContainEqual(
      expect.objectContaining({
        id,
        name,
        role: 'operator',
        state: 'active',
        last_used_at: '2026-11-01T00:00:00.000Z',
      }),
    );
    expect(body['configured']).toContainEqual({ name: 'admin', role: 'admin' });
  });

  it('end at once when they are revoked, and stay so', async () => {
    const { token, id } = await makeToken('viewer');
    expect((await call('GET', '/v1/admin/cert-incidents', token)).status).toBe(200);
    expect((await revokeToken(id)).body).toMatchObject({ ok: true, accessToken: { state: 'revoked' } });
    expect((await call('GET', '/v1/admin/cert-incidents', token)).status).toBe(401);
    expect((await revokeToken(id)).body).toMatchObject({ ok: true, alreadyRevoked: true });
  });

  it.each([
    [{ days: 2 }, 2 * 24 * hour],
    [{ expiresAt: new Date(start + hour).toISOString() }, hour],
  ])('end in time: %j', async (until, ms) => {
    const { token, id } = await makeToken('viewer', until);
    api.setNow(start + ms - 1);
    expect((await call('GET', '/v1/admin/cert-incidents', token)).status).toBe(200);
    api.setNow(start + ms);
    expect((await call('GET', '/v1/admin/cert-incidents', token)).status).toBe(401);
    const { body } = await admin('GET', '/v1/admin/tokens');
    expect(body['tokens']).toContainEqual(expect.objectContaining({ id, state: 'expired' }));
  });

  it('note their use once a minute', async () => {
    const { token, id } = await makeToken('viewer');
    const usedAt = async () =>
      (
        await api.db.sql<{ at: number }[]>`
        select extract(epoch from last_used_at)::float8 * 1000 as at from access_tokens where id = ${id}`
      )[0]?.at;
    for (const [at, noted] of [
      [0, 0],
      [30_000, 0],
      [minute, minute],
    ] as const) {
      api.setNow(start + at);
      await call('GET', '/v1/admin/cert-incidents', token);
      expect(await usedAt()).toBe(start + noted);
    }
  });

  it.each([
    [{ name: '', role: 'viewer' }],
    [{ name: '<b>x</b>', role: 'viewer' }],
    [{ name: 'x', role: 'owner' }],
    [{ name: 'x', role: 'viewer', days: 0 }],
    [{ name: 'x', role: 'viewer', days: 1.5 }],
    [{ name: 'x', role: 'viewer', days: 1, expiresAt: start + hour }],
    [{ name: 'x', role: 'viewer', expiresAt: start }],
    [{ name: 'x', role: 'viewer', token: 'chosen-by-myself' }],
  ])('are not made of %j', async (body) => {
    expect((await admin('POST', '/v1/admin/tokens', body)).status).toBe(400);
  });

  it('have a name of their own while they last', async () => {
    const { name, id } = await makeToken('viewer');
    expect((await admin('POST', '/v1/admin/tokens', { name, role: 'viewer' })).status).toBe(409);
    expect((await admin('POST', '/v1/admin/tokens', { name: 'admin', role: 'viewer' })).status).toBe(409);
    await revokeToken(id);
    expect((await admin('POST', '/v1/admin/tokens', { name, role: 'viewer' })).status).toBe(201);
  });

  it('of an organisation manage those of their own organisation only', async () => {
    const own = await makeToken('admin', { orgId: 'org-a' });
    const other = await makeToken('viewer', { orgId: 'org-b' });
    const all = await makeToken('viewer');
    const { body } = await call('GET', '/v1/admin/tokens', own.token);
    expect(body).toEqual({ tokens: [expect.objectContaining({ id: own.id })], configured: [], nextCursor: null });
    for (const { id } of [other, all])
      expect((await call('POST', `/v1/admin/tokens/${id}/revoke`, own.token)).status).toBe(404);
    const into = (orgId: string) => call('POST', '/v1/admin/tokens', own.token, { name: 'x', role: 'viewer', orgId });
    expect((await into('org-b')).status).toBe(403);
    const next = await call('POST', '/v1/admin/tokens', own.token, { name: 'y', role: 'admin' });
    expect(next.body).toMatchObject({ accessToken: { org_id: 'org-a' } });
    expect((await call('POST', `/v1/admin/tokens/${own.id}/revoke`, own.token)).status).toBe(200);
  });

  it('leave a trace that does not hold them', async () => {
    const { token, id } = await makeToken('viewer');
    await revokeToken(id);
    const rows = (await auditRows()).filter(({ text }) => text.includes(id));
    expect(rows.map(({ action, actor, reason }) => ({ action, actor, reason }))).toEqual([
      { action: 'token.create', actor: 'admin', reason: null },
      { action: 'token.revoke', actor: 'admin', reason: 'over' },
    ]);
    expect(rows.map(({ text }) => text).join()).not.toContain(token);
  });
});

describe('a session', () => {
  it('has a cookie that no script, no other host and no other site gets', async () => {
    const answer = await postForm(app, '/console/login', { token: tokenOf('viewer'), next: '/console/domains?q=a' });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/console/login?kept=1&next=%2Fconsole%2Fdomains%3Fq%3Da');
    const [set = ''] = answer.headers.getSetCookie();
    expect(set.replace(/=[\w-]{43};/, '=…;')).toBe('__Host-notafter=…; Path=/; HttpOnly; Secure; SameSite=Strict');
    const secret = /=([\w-]{43});/.exec(set)?.[1] ?? '';
    const [row] = await api.db.sql<{ hash: Buffer; row: string }[]>`
      select hash, row_to_json(s)::text as row from console_sessions s order by created_at desc, id desc limit 1`;
    expect(row?.hash).toEqual(createHash('sha256').update(secret).digest());
    expect(row?.row).not.toContain(secret);
    expect(row?.row).not.toContain(tokenOf('viewer'));
    const kept = await app.request('/console/login?kept=1&next=/console/domains?q=a', {
      headers: { cookie: cookieOf(answer) ?? '' },
    });
    expect([kept.status, kept.headers.get('location')]).toEqual([303, '/console/domains?q=a']);
  });

  it('says so when the browser kept no cookie', async () => {
    const page = await app.request('/console/login?kept=1&next=/console', { headers: { accept: 'text/html' } });
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('open the console over HTTPS, or at http://localhost');
  });

  it.each([
    'https://evil.example/',
    '//evil.example/console',
    '/\\evil.example',
    '/console//evil.example',
    'javascript:alert(1)',
    '/v1/admin/tokens',
    '/consolex',
    '/console/../v1/admin',
    'console',
  ])('leads nowhere but to the console: %s', async (next) => {
    const answer = await postForm(app, '/console/login', { token: tokenOf('viewer'), next });
    expect(answer.headers.get('location')).toBe('/console/login?kept=1&next=%2Fconsole');
  });

  it('ends when nobody uses it', async () => {
    const cookie = await signIn(app, tokenOf('viewer'));
    for (const at of [59, 118, 177]) {
      api.setNow(start + at * minute);
      expect(await isSignedIn(cookie)).toBe(true);
    }
    api.setNow(start + (177 + 60) * minute);
    expect(await isSignedIn(cookie)).toBe(false);
  });

  it('ends after its time, however busy', async () => {
    const cookie = await signIn(app, tokenOf('viewer'));
    for (let at = 0; at < 12 * hour; at += 50 * minute) {
      api.setNow(start + at);
      expect(await isSignedIn(cookie)).toBe(true);
    }
    api.setNow(start + 12 * hour);
    expect(await isSignedIn(cookie)).toBe(false);
  });

  it('ends with its token: revoked, expired, or not configured any more', async () => {
    const revoked = await makeToken('viewer');
    const expiring = await makeToken('viewer', { days: 1 });
    const [first, second] = [await signIn(app, revoked.token), await signIn(app, expiring.token)];
    expect(await Promise.all([first, second].map(isSignedIn))).toEqual([true, true]);
    await revokeToken(revoked.id);
    expect(await isSignedIn(first)).toBe(false);
    await api.db.sql`update access_tokens set expires_at = to_timestamp(${start} / 1000.0) where id = ${expiring.id}`;
    expect(await isSignedIn(second)).toBe(false);
    const third = await signIn(app, tokenOf('operator'));
    const { ctx } = api;
    const fewer = {
      ...ctx.config,
      CERT_ADMIN_TOKENS: ctx.config.CERT_ADMIN_TOKENS?.filter(({ role }) => role === 'admin'),
    };
    const later = createApp({ ...ctx, config: fewer }, ingestSink(ctx), () =>
      Promise.resolve({ ready: true, checks: {} }),
    );
    expect((await later.request('/console/login', { headers: { cookie: third } })).status).toBe(200);
    expect(await isSignedIn(third)).toBe(true);
  });

  it('ends when its owner signs out, here or everywhere', async () => {
    const { token } = await makeToken('viewer');
    const [one, two, three] = [await signIn(app, token), await signIn(app, token), await signIn(app, token)];
    const bystander = await signIn(app, tokenOf('viewer'));
    const out = await postForm(app, '/console/logout', {}, { cookie: one });
    expect(out.headers.getSetCookie()[0]).toMatch(/^__Host-notafter=; Max-Age=0;/);
    expect(await Promise.all([one, two, three].map(isSignedIn))).toEqual([false, true, true]);
    await postForm(app, '/console/logout', { everywhere: '1' }, { cookie: two });
    expect(await Promise.all([two, three, bystander].map(isSignedIn))).toEqual([false, false, true]);
  });

  it('ends when an admin says so', async () => {
    const cookie = await signIn(app, (await makeToken('viewer')).token);
    const { body } = await admin('GET', '/v1/admin/sessions');
    const all = body['sessions'] as { id: string; actor: string }[]; // as the schema of the answer says
    const id = all.find(({ actor }) => actor === `made ${made}`)?.id;
    expect((await admin('POST', `/v1/admin/sessions/${id}/revoke`)).status).toBe(200);
    expect(await isSignedIn(cookie)).toBe(false);
    expect((await admin('POST', `/v1/admin/sessions/${id}/revoke`)).status).toBe(404);
  });

  it('of another organisation is none of an admin’s business', async () => {
    const own = await makeToken('admin', { orgId: 'org-c' });
    await signIn(app, (await makeToken('viewer', { orgId: 'org-d' })).token);
    const [session] = await api.db.sql<{ id: string }[]>`select id from console_sessions where org_id = 'org-d'`;
    expect((await call('GET', '/v1/admin/sessions', own.token)).body).toEqual({ sessions: [] });
    expect((await call('POST', `/v1/admin/sessions/${session?.id}/revoke`, own.token)).status).toBe(404);
  });

  it('leaves a row for its beginning and its end', async () => {
    const { token, name } = await makeToken('viewer');
    const cookie = await signIn(app, token);
    await postForm(app, '/console/logout', {}, { cookie });
    const rows = (await auditRows()).filter(({ actor }) => actor === name);
    expect(rows.map(({ action }) => action)).toEqual(['session.open', 'session.end']);
    expect(rows.map(({ text }) => text).join()).not.toContain(token);
  });
});

describe('signing in', () => {
  const wrong = (token = 'a-guess') => postForm(app, '/console/login', { token });

  it('says the same whatever is wrong with a token', async () => {
    const { token, id } = await makeToken('viewer');
    await revokeToken(id);
    const pages = await Promise.all(
      ['', 'a-guess', 'nat_a-guess', token, tokenOf('viewer').slice(1)].map(async (guess) => {
        const answer = await wrong(guess);
        const text = await answer.text();
        expect(text).not.toContain('a-guess');
        return `${answer.status} ${text.includes('This token is not valid.')}`;
      }),
    );
    expect(new Set(pages)).toEqual(new Set(['401 true']));
  });

  it('is slowed for an address, also for many at once, and not for what succeeds', async () => {
    for (let n = 0; n < 15; n += 1) await signIn(app, tokenOf('viewer'));
    const statuses = (await Promise.all(Array.from({ length: 30 }, () => wrong()))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
    const right = await postForm(app, '/console/login', { token: tokenOf('viewer') });
    expect(right.status).toBe(429);
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(cookieOf(right)).toBeNull();
    await api.db.sql`update access_attempts set expire = 0`;
    await signIn(app, tokenOf('viewer'));
  });

  it('is slowed in every process alike', async () => {
    for (let n = 0; n < 10; n += 1) await wrong();
    const beside = createApp({ ...api.ctx }, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));
    expect((await postForm(beside, '/console/login', { token: tokenOf('viewer') })).status).toBe(429);
  });

  it('is slowed for an account that many addresses try', async () => {
    await api.db.sql`insert into access_attempts values ('account:nat_abcdefgh', 100, ${Date.now() + minute})`;
    expect((await wrong('nat_abcdefgh_guess')).status).toBe(429);
    expect((await wrong('nat_ijklmnop_guess')).status).toBe(401);
  });

  it('notes refusals, a few an hour, and never the token', async () => {
    await api.db.sql`delete from access_attempts`;
    const before = (await auditRows()).length;
    for (let n = 0; n < 10; n += 1) await wrong('guess-that-must-not-be-kept');
    const rows = (await auditRows()).slice(before);
    expect(rows.map(({ action, actor }) => `${action} ${actor}`)).toEqual(Array(5).fill('session.refuse unknown'));
    expect(rows.map(({ text }) => text).join()).not.toContain('must-not-be-kept');
  });

  it('is not done by a page of another site', async () => {
    const answer = await postForm(
      app,
      '/console/login',
      { token: tokenOf('viewer') },
      { headers: { origin: 'https://evil.example' } },
    );
    expect(answer.status).toBe(403);
    expect(cookieOf(answer)).toBeNull();
  });

  it('counts what came of it', async () => {
    const text = await api.ctx.metrics.registry.getSingleMetricAsString('fdt_cert_logins_total');
    expect(text).toMatch(/fdt_cert_logins_total\{via="token",result="opened"\} \d+/);
    expect(text).toMatch(/fdt_cert_logins_total\{via="token",result="refused"\} \d+/);
    expect(text).toMatch(/fdt_cert_logins_total\{via="token",result="limited"\} \d+/);
  });
});

describe('the API', () => {
  it('is slow to those who guess tokens, and to nobody else', async () => {
    const guess = () => call('GET', '/v1/admin/domains', 'a-guess');
    const other = { ...api.ctx };
    const own = createApp(other, ingestSink(other), () => Promise.resolve({ ready: true, checks: {} }));
    const ask = async (authorization: string | null) =>
      (await own.request('/v1/admin/domains', { headers: authorization === null ? {} : { authorization } })).status;
    for (let n = 0; n < 100; n += 1) expect(await ask(null)).toBe(401);
    for (let n = 0; n < 60; n += 1) expect(await ask('Bearer a-guess')).toBe(401);
    expect(await ask(`Bearer ${tokenOf('admin')}`)).toBe(429);
    expect((await guess()).status).toBe(401);
  });

  it('names each request', async () => {
    const { headers } = await admin('GET', '/v1/admin/domains');
    expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
    const named = await app.request('/console/login', { headers: { 'x-request-id': 'from-the-proxy' } });
    expect(named.headers.get('x-request-id')).toBe('from-the-proxy');
  });
});

describe('behind a proxy that puts a path in front', () => {
  it('answers with and without it, and links with it', async () => {
    const config = { ...api.ctx.config, NOTAFTER_PUBLIC_URL: 'https://ops.example/certs/' };
    const prefixed = createApp({ ...api.ctx, config }, ingestSink(api.ctx), () =>
      Promise.resolve({ ready: true, checks: {} }),
    );
    for (const path of ['/certs/livez', '/livez', '/certs/console/login'])
      expect((await prefixed.request(path)).status).toBe(200);
    expect((await prefixed.request('/certsx/livez')).status).toBe(404);
    const headers = { origin: 'https://ops.example' };
    const answer = await postForm(
      prefixed,
      '/certs/console/login',
      { token: tokenOf('viewer'), next: '/certs/console/domains' },
      { headers },
    );
    expect(answer.headers.get('location')).toBe('/certs/console/login?kept=1&next=%2Fconsole%2Fdomains');
    const asked = await prefixed.request(`${origin}/certs/console/nowhere`, { headers: { accept: 'text/html' } });
    expect([200, 303, 404]).toContain(asked.status);
  });
});
