import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { createApp } from '../../src/http/app.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { longestAnswer } from '../../src/http/oidc-fetch.ts';
import { cookieOf } from '../support/access.ts';
import { createTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
const open: (() => void)[] = [];
beforeAll(async () => {
  api = await createTestApi([], Date.now());
});
afterAll(() => api.close());
afterEach(async () => {
  for (const close of open.splice(0)) close();
  await api.db.sql`delete from access_attempts`;
});

type Behaviour = (response: ServerResponse) => void;

const sendJson =
  (body: unknown): Behaviour =>
  (response) =>
    void response.setHeader('content-type', 'application/json').end(JSON.stringify(body));

/** Bytes without end, as fast as they are taken. */
const endless =
  (sent: { bytes: number }): Behaviour =>
  (response) => {
    const chunk = Buffer.alloc(64 * 1024, 32);
    response.setHeader('content-type', 'application/json');
    const more = (): void => {
      let goesOn = true;
      while (goesOn && !response.destroyed) {
        goesOn = response.write(chunk);
        sent.bytes += chunk.length;
      }
    };
    response.on('drain', more);
    more();
  };

/** A provider whose metadata and token endpoint are as given. */
const providerWith = async ({
  metadata = {},
  discovery,
  token,
}: Partial<Record<'discovery' | 'token', Behaviour>> & {
  readonly metadata?: Readonly<Record<string, unknown>>;
}): Promise<string> => {
  const server = createServer((request, response) => {
    request.resume();
    const issuer = `http://${request.headers.host ?? ''}`;
    const own = {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
    };
    if (request.url === '/token') (token ?? sendJson({}))(response);
    else (discovery ?? sendJson({ ...own, ...metadata }))(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  // A bound TCP server's address is an AddressInfo.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const appAt = (issuer: string): Hono<HttpEnv> => {
  const config = parseConfig(
    {
      CERT_ADMIN_TOKENS: 'admin:admin:admin-token-of-the-test',
      NOTAFTER_PUBLIC_URL: 'https://ops.example',
      NOTAFTER_OIDC_ISSUER: issuer,
      NOTAFTER_OIDC_CLIENT_ID: 'notafter',
      NOTAFTER_OIDC_CLIENT_SECRET: 'client-secret-of-the-test',
      NOTAFTER_OIDC_ROLES: 'ops=operator',
    },
    () => '',
  );
  const ctx = { ...api.ctx, config };
  return createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
};

const begin = (app: Hono<HttpEnv>) => Promise.resolve(app.request('/console/login/oidc'));

/** Comes back from the provider with a code, or with what `query` says instead. */
const comeBack = async (app: Hono<HttpEnv>, query = 'code=any') => {
  const begun = await begin(app);
  const state = new URL(begun.headers.get('location') ?? '').searchParams.get('state') ?? '';
  const cookie = cookieOf(begun, '__Host-notafter-login') ?? '';
  return app.request(`/console/login/oidc/callback?${query}&state=${state}`, { headers: { cookie } });
};

describe('metadata of a provider', () => {
  it.each(['javascript:alert(1)', 'data:text/html,x', 'no address', 'http//x', 7, null])(
    'that sends browsers to %s is the fault of the provider',
    async (address) => {
      const app = appAt(await providerWith({ metadata: { authorization_endpoint: address } }));
      const answer = await begin(app);
      expect([answer.status, answer.headers.get('location')]).toEqual([503, null]);
      expect(await answer.text()).toContain('sign in with a token');
    },
  );

  it('without an end is read up to a limit', async () => {
    const sent = { bytes: 0 };
    const app = appAt(await providerWith({ discovery: endless(sent) }));
    expect((await begin(app)).status).toBe(503);
    // What lies in the buffers of the system comes on top.
    expect(sent.bytes).toBeLessThan(longestAnswer + 16 * 1024 * 1024);
  });
});

describe('a provider that fails after the redirect', () => {
  const ways: readonly (readonly [string, Behaviour])[] = [
    ['answers 500', (response) => void response.writeHead(500).end('{}')],
    ['answers 502 in HTML', (response) => void response.writeHead(502, { 'content-type': 'text/html' }).end('<p>')],
    ['hangs up', (response) => void response.destroy()],
    ['answers in HTML', (response) => void response.setHeader('content-type', 'text/html').end('<p>')],
    ['answers what is no JSON', (response) => void response.setHeader('content-type', 'application/json').end('{')],
    ['never ends', (response) => endless({ bytes: 0 })(response)],
  ];

  it.each(ways)('and %s uses up nobody’s attempts', { timeout: 60_000 }, async (_, token) => {
    const app = appAt(await providerWith({ token }));
    // More than there are attempts.
    for (let n = 0; n < 12; n += 1) expect((await comeBack(app)).status).toBe(503);
  });

  it('and says so itself uses up nobody’s attempts', async () => {
    const app = appAt(await providerWith({}));
    for (let n = 0; n < 12; n += 1) expect((await comeBack(app, 'error=temporarily_unavailable')).status).toBe(503);
  });

  it('is not one that refuses a code: that counts', async () => {
    const token: Behaviour = (response) =>
      void response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
    const app = appAt(await providerWith({ token }));
    const statuses = [];
    for (let n = 0; n < 12; n += 1) statuses.push((await comeBack(app)).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
  });
});
