import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { cookieOf } from '../support/access.ts';
import { createTestApi, type TestApi } from '../support/api.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';

const publicUrl = 'https://ops.example/certs';
const callback = '/console/login/oidc/callback';
const client = {
  redirectUri: publicUrl + callback,
  clientId: 'notafter',
  clientSecret: 'client-secret-of-the-test',
};

let api: TestApi;
let provider: IdentityProvider;
let app: Hono<HttpEnv>;

/** The app that signs in at an issuer. */
const appAt = (issuer: string, more: Record<string, string> = {}): Hono<HttpEnv> => {
  const config = parseConfig(
    {
      CERT_ADMIN_TOKENS: 'admin:admin:admin-token-of-the-test',
      NOTAFTER_PUBLIC_URL: publicUrl,
      NOTAFTER_OIDC_ISSUER: issuer,
      NOTAFTER_OIDC_CLIENT_ID: client.clientId,
      NOTAFTER_OIDC_CLIENT_SECRET: client.clientSecret,
      NOTAFTER_OIDC_ROLES: 'ops=operator,root=admin,shop=viewer@org-shop,shop-ops=operator@org-shop',
      ...more,
    },
    () => '',
  );
  const ctx = { ...api.ctx, config };
  return createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
};

beforeAll(async () => {
  // Its own signing and hashing need a real clock.
  api = await createTestApi([], Date.now());
  provider = await startIdentityProvider(client);
  app = appAt(provider.issuer);
});
afterAll(async () => {
  await provider.stop();
  await api.close();
});
beforeEach(async () => {
  await api.db.sql`delete from access_attempts`;
});

const flowName = '__Host-notafter-login';

/** Begins at the login page and comes back from the provider. */
const walk = async (from: IdentityProvider = provider, on: Hono<HttpEnv> = app) => {
  const begun = await on.request('/console/login/oidc?next=/console/domains');
  const cookie = cookieOf(begun, flowName) ?? '';
  const authorization = begun.headers.get('location') ?? '';
  return { begun, cookie, authorization, search: await from.walk(authorization) };
};

const comeBack = (search: string, cookie: string | null, on: Hono<HttpEnv> = app) =>
  Promise.resolve(on.request(callback + search, { headers: cookie === null ? {} : { cookie } }));

/** The session that an answer opened, as it is kept. */
const sessionOf = async (answer: Response) => {
  const secret = cookieOf(answer)?.split('=')[1] ?? '';
  const [row] = await api.db.sql<{ actor: string; role: string; org_id: string | null; via: string }[]>`
    select actor, role, org_id, via from console_sessions where hash = ${createHash('sha256').update(secret).digest()}`;
  return row;
};

const sessions = async (): Promise<number> =>
  (await api.db.sql<{ n: number }[]>`select count(*)::int as n from console_sessions`)[0]?.n ?? 0;

/** What an answer came to: its status, whether it says these words, whether anybody was let in by it. */
const outcomeOf = async (answer: Response, words: string, before: number) => ({
  status: answer.status,
  says: (await answer.text()).includes(words),
  cookie: cookieOf(answer),
  opened: (await sessions()) - before,
});

const refused = (status: number) => ({ status, says: true, cookie: null, opened: 0 });

describe('single sign-on', () => {
  it('asks the provider with PKCE, state and nonce, and keeps them where no script sees them', async () => {
    const { begun, authorization } = await walk();
    expect(begun.status).toBe(303);
    const url = new URL(authorization);
    expect(url.origin).toBe(provider.issuer);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      client_id: client.clientId,
      redirect_uri: client.redirectUri,
      code_challenge_method: 'S256',
      scope: 'openid profile email',
    });
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(url.searchParams.get(name)?.length).toBeGreaterThan(30);
    expect(begun.headers.getSetCookie()[0]).toMatch(
      /^__Host-notafter-login=[\w-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  it('lets in with the role of the group, and leads on by a page of our own', async () => {
    provider.setPerson({ sub: 'u1', email: 'ada@example.com', email_verified: true, groups: ['staff', 'ops'] });
    const { search, cookie } = await walk();
    const answer = await comeBack(search, cookie);
    expect(answer.status).toBe(200);
    const page = await answer.text();
    const to = '/certs/console/login?kept=1&amp;next=%2Fconsole%2Fdomains';
    expect(page).toContain(`content="0;url=${to}"`);
    expect(page).toContain(`href="${to}"`);
    expect(answer.headers.getSetCookie().join()).toContain('SameSite=Strict');
    expect(await sessionOf(answer)).toEqual({ actor: 'ada@example.com', role: 'operator', org_id: null, via: 'oidc' });
    const session = cookieOf(answer) ?? '';
    const kept = await app.request('/console/login?kept=1&next=/console/domains', { headers: { cookie: session } });
    expect([kept.status, kept.headers.get('location')]).toEqual([303, '/certs/console/domains']);
    // What was kept for the way is gone.
    expect(cookieOf(answer, flowName)).toBeNull();
  });

  it.each([
    [{ sub: 'u2', preferred_username: 'bob', groups: ['shop'] }, 'viewer', 'org-shop'],
    [{ sub: 'u3', preferred_username: 'bob', groups: ['shop', 'shop-ops'] }, 'operator', 'org-shop'],
    [{ sub: 'u4', preferred_username: 'bob', groups: ['shop-ops', 'ops'] }, 'operator', null],
    [{ sub: 'u5', preferred_username: 'bob', groups: ['ops', 'root', 'shop'] }, 'admin', null],
    [{ sub: 'u6', preferred_username: 'bob', groups: 'root' }, 'admin', null],
  ])('takes the highest role: %j is %s of %s', async (person, role, orgId) => {
    provider.setPerson(person);
    const { search, cookie } = await walk();
    const answer = await comeBack(search, cookie);
    const host = new URL(provider.issuer).host;
    expect(await sessionOf(answer)).toEqual({ actor: `bob@${host}`, role, org_id: orgId, via: 'oidc' });
  });

  it('reads groups from the ID token where they are in it', async () => {
    const other = await startIdentityProvider({ ...client, inIdToken: true });
    other.setPerson({ sub: 'u7', email: 'eve@example.com', groups: ['root'] });
    const on = appAt(other.issuer);
    const { search, cookie } = await walk(other, on);
    const answer = await comeBack(search, cookie, on);
    expect(await sessionOf(answer)).toMatchObject({ actor: 'eve@example.com', role: 'admin' });
    await other.stop();
  });

  it.each([[[]], [['staff']], [['Ops']], [[{ name: 'ops' }]], [undefined]])(
    'lets nobody in for the groups %j, and says whom to ask',
    async (groups) => {
      const before = await sessions();
      provider.setPerson({ sub: 'u8', email: 'mal@example.com', ...(groups !== undefined && { groups }) });
      const { search, cookie } = await walk();
      expect(await outcomeOf(await comeBack(search, cookie), 'ask an administrator', before)).toEqual(refused(403));
    },
  );

  it('does not believe an address that the provider does not vouch for', async () => {
    provider.setPerson({ sub: 'u9', email: 'admin@example.com', email_verified: false, groups: ['ops'] });
    const { search, cookie } = await walk();
    const answer = await comeBack(search, cookie);
    expect((await sessionOf(answer))?.actor).toBe(`u9@${new URL(provider.issuer).host}`);
  });

  it('shows a name that holds markup as text', async () => {
    provider.setPerson({ sub: 'u10', email: '<img src=x>@example.com', groups: [] });
    const { search, cookie } = await walk();
    const page = await (await comeBack(search, cookie)).text();
    expect(page).not.toContain('<img src=x');
    expect(page).toContain('&lt;img src=x&gt;@example.com');
  });
});

describe('single sign-on refuses', () => {
  const changed = (cookie: string, fields: Record<string, string>): string => {
    const value = cookie.slice(cookie.indexOf('=') + 1);
    const flow: unknown = JSON.parse(Buffer.from(value, 'base64url').toString('utf8'));
    const other = Buffer.from(JSON.stringify(Object.assign({}, flow, fields))).toString('base64url');
    return `${flowName}=${other}`;
  };
  const long = 'x'.repeat(43);
  beforeEach(() => provider.setPerson({ sub: 'u11', email: 'zoe@example.com', groups: ['root'] }));

  it('a way back that another browser began', async () => {
    const before = await sessions();
    const { search } = await walk();
    expect(await outcomeOf(await comeBack(search, null), 'not begun in this browser', before)).toEqual(refused(401));
    const { cookie } = await walk();
    expect(await outcomeOf(await comeBack(search, cookie), 'not confirmed', before)).toEqual(refused(401));
  });

  it.each([
    ['another state', { state: long }],
    ['another nonce', { nonce: long }],
    ['another verifier', { verifier: long }],
  ])('%s than was sent away with', async (_, fields) => {
    const before = await sessions();
    const { search, cookie } = await walk();
    expect(await outcomeOf(await comeBack(search, changed(cookie, fields)), 'not confirmed', before)).toEqual(
      refused(401),
    );
  });

  it('a code that was used before', async () => {
    const { search, cookie } = await walk();
    expect((await comeBack(search, cookie)).status).toBe(200);
    const before = await sessions();
    expect(await outcomeOf(await comeBack(search, cookie), 'not confirmed', before)).toEqual(refused(401));
  });

  it.each([
    ['another code', (search: string) => search.replace(/code=[^&]+/, 'code=guess')],
    ['another issuer', (search: string) => search.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example')],
    ['no code', (search: string) => search.replace(/code=[^&]+&/, '')],
    ['a refusal of the provider', (search: string) => search.replace(/code=[^&]+/, 'error=access_denied')],
  ])('%s', async (_, change) => {
    const before = await sessions();
    const { search, cookie } = await walk();
    expect(await outcomeOf(await comeBack(change(search), cookie), 'not confirmed', before)).toEqual(refused(401));
  });

  it.each(['', 'x', 'bm90IGpzb24', Buffer.from('{"state":1}').toString('base64url')])(
    'what it cannot read: %s',
    async (value) => {
      const { search } = await walk();
      expect((await comeBack(search, `${flowName}=${value}`)).status).toBe(401);
    },
  );

  it('with a row in the audit log, and without codes in it', async () => {
    const { search, cookie } = await walk();
    await comeBack(search, changed(cookie, { nonce: long }));
    const [row] = await api.db.sql<{ action: string; text: string }[]>`
      select action, row_to_json(a)::text as text from audit_log a order by seq desc limit 1`;
    expect(row?.action).toBe('session.refuse');
    expect(row?.text).not.toContain(new URLSearchParams(search).get('code'));
  });

  it.each(['none', 'RS256'])('an ID token that nobody signed: %s', async (alg) => {
    const part = (members: object): string => Buffer.from(JSON.stringify(members)).toString('base64url');
    let nonce = '';
    const forger = createServer((request, response) => {
      request.resume();
      const issuer = `http://${request.headers.host ?? ''}`;
      const at = Math.floor(Date.now() / 1000);
      const claims = { iss: issuer, aud: client.clientId, sub: 'eve', nonce, iat: at, exp: at + 60, groups: ['root'] };
      const answers: Readonly<Record<string, object>> = {
        '/token': {
          access_token: 'any',
          token_type: 'bearer',
          id_token: `${part({ alg })}.${part(claims)}.${alg === 'none' ? '' : 'AAAA'}`,
        },
        '/keys': { keys: [] },
      };
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        id_token_signing_alg_values_supported: [alg],
      };
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(answers[request.url ?? ''] ?? metadata));
    });
    await new Promise<void>((resolve) => forger.listen(0, '127.0.0.1', resolve));
    try {
      // A bound TCP server's address is an AddressInfo.
      const on = appAt(`http://127.0.0.1:${(forger.address() as AddressInfo).port}`);
      const begun = await on.request('/console/login/oidc');
      const asked = new URL(begun.headers.get('location') ?? '').searchParams;
      nonce = asked.get('nonce') ?? '';
      const back = `/console/login/oidc/callback?code=any&state=${asked.get('state') ?? ''}`;
      const answer = await on.request(back, { headers: { cookie: cookieOf(begun, flowName) ?? '' } });
      expect([answer.status, cookieOf(answer)]).toEqual([401, null]);
    } finally {
      forger.closeAllConnections();
      forger.close();
    }
  });

  it('those who try too often', async () => {
    const { search, cookie } = await walk();
    const bad = changed(cookie, { nonce: long });
    for (let n = 0; n < 10; n += 1) await comeBack(search, bad);
    const answer = await comeBack(search, cookie);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('a provider that is away', () => {
  it('keeps nobody from starting or from using tokens, and is found again by itself', async () => {
    const first = await startIdentityProvider(client);
    const { issuer } = first;
    await first.stop();
    const on = appAt(issuer);
    const away = await on.request('/console/login/oidc');
    expect(away.status).toBe(503);
    expect(await away.text()).toContain('sign in with a token');
    expect((await on.request('/console/login')).status).toBe(200);
    const again = await startIdentityProvider({ ...client, port: Number(new URL(issuer).port) });
    again.setPerson({ sub: 'u12', email: 'ida@example.com', groups: ['ops'] });
    const { search, cookie } = await walk(again, on);
    await again.stop();
    const gone = await comeBack(search, cookie, on);
    expect(gone.status).toBe(503);
    expect(cookieOf(gone)).toBeNull();
  });

  it('is not asked where none is set up', async () => {
    const plain = createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));
    expect((await plain.request('/console/login/oidc')).status).toBe(404);
    expect(await (await plain.request('/console/login')).text()).not.toContain('single sign-on');
  });
});

describe('sessions from single sign-on', () => {
  it('end when single sign-on is taken away', async () => {
    provider.setPerson({ sub: 'u13', email: 'kim@example.com', groups: ['ops'] });
    const { search, cookie } = await walk();
    const session = cookieOf(await comeBack(search, cookie)) ?? '';
    const ask = async (on: Hono<HttpEnv>) =>
      (await on.request('/console/login', { headers: { cookie: session } })).status;
    expect(await ask(app)).toBe(303);
    const without = createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} }));
    expect(await ask(without)).toBe(200);
  });
});
