import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ctx } from '../../src/context.ts';
import { customDomains } from '../../src/db/schema.ts';
import { type AriClient, createAriClient } from '../../src/probe/ari.ts';
import { ariRefresh } from '../../src/processors/ari-refresh.ts';
import { createTestApi, domainOf, type TestApi } from '../support/api.ts';
import { createPki } from '../support/certificates.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.UTC(2026, 4, 1, 12);
const ref = `sha256:${'AB'.repeat(32)}`;
const ariId = 'nqq7A8xlSOtP1pRjM3eCtcxi6hg.WijY-dy5vLuv3LRkEYzhag';
const start = '2026-06-20T00:00:00Z';
const end = '2026-06-22T00:00:00Z';

type Reply = (request: IncomingMessage, response: ServerResponse) => void;

const pki = createPki();
const leaf = pki.leaf({ names: ['localhost'] });
let reply: Reply;
let asked: string[] = [];
const server = createServer({ cert: leaf.chain, key: leaf.key }, (request, response) => {
  asked.push(request.url ?? '');
  if (request.url === '/dir') response.end(JSON.stringify({ renewalInfo: `${base}/info/` }));
  else if (request.url === '/old') response.end(JSON.stringify({ newOrder: `${base}/order` }));
  else if (request.url === '/loop') response.writeHead(302, { location: `${base}/dir` }).end();
  else reply(request, response);
});
let base: string;
let api: TestApi;

const says =
  (body: unknown, headers: Record<string, string> = {}, status = 200): Reply =>
  (_, response) =>
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));

const client = (allowedCidrs = ['127.0.0.0/8', '::1/128'], trustedCaPem: string | null = pki.root.cert): AriClient =>
  createAriClient({ allowedCidrs, dnsServers: [], trustedCaPem, now: () => now });

beforeAll(async () => {
  api = await createTestApi([], now);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server has an address of this shape.
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await api.close();
});
beforeEach(() => {
  asked = [];
  reply = says({ suggestedWindow: { start, end } });
});

describe('the ARI client', () => {
  it('asks the place that the directory names, which it remembers', async () => {
    const ari = client();
    reply = says({ suggestedWindow: { start, end } }, { 'retry-after': '21600' });
    const window = { kind: 'window', endsAt: Date.parse(end), retryAfterMs: 6 * hour };
    expect(await ari.renewalInfo(`${base}/dir`, ariId)).toEqual(window);
    expect(await ari.renewalInfo(`${base}/dir`, ariId)).toEqual(window);
    expect(asked).toEqual(['/dir', `/info/${ariId}`, `/info/${ariId}`]);
  });

  it('takes a directory without such a place for what it is', async () => {
    expect(await client().renewalInfo(`${base}/old`, ariId)).toEqual({ kind: 'none' });
  });

  it.each<[string, Reply, string]>([
    ['a window that ends before it begins', says({ suggestedWindow: { start: end, end: start } }), 'no window'],
    ['a window without times', says({ suggestedWindow: { start: 'soon', end } }), 'no window'],
    ['what is not JSON', says('<html>'), 'not JSON'],
    ['another status', says({}, {}, 404), 'answered 404'],
    ['more than 64 KiB', says('x'.repeat(70_000)), 'longer than 64 KiB'],
    ['a closed connection', (request) => request.socket.destroy(), 'cannot be reached'],
  ])('refuses %s', async (_, given, error) => {
    reply = given;
    const info = await client().renewalInfo(`${base}/dir`, ariId);
    expect(info).toMatchObject({ kind: 'failed', error: expect.stringContaining(error) });
  });

  it('keeps to what a busy CA says', async () => {
    reply = says({}, { 'retry-after': '120' }, 503);
    expect(await client().renewalInfo(`${base}/dir`, ariId)).toMatchObject({ kind: 'failed', retryAfterMs: 120_000 });
  });

  it('goes nowhere private, trusts nobody unknown and follows nothing', async () => {
    const fails = (error: string) => ({ kind: 'failed', error: expect.stringContaining(error) });
    expect(await client([]).renewalInfo(`${base}/dir`, ariId)).toMatchObject(fails('may not be reached'));
    expect(await client(undefined, null).renewalInfo(`${base}/dir`, ariId)).toMatchObject(fails('cannot be reached'));
    expect(await client().renewalInfo(`${base}/loop`, ariId)).toMatchObject(fails('answered 302'));
    expect(await client().renewalInfo('http://localhost/dir', ariId)).toMatchObject(fails('not an https URL'));
    expect(asked).toEqual(['/loop']);
  });
});

describe('ari-refresh', () => {
  const ctx = (): Ctx => api.ctx;
  const seed = async (more: Partial<typeof customDomains.$inferInsert> = {}): Promise<string> => {
    await api.db.sql`truncate custom_domains, domain_clocks`;
    const row = domainOf({
      certificate_ref: ref,
      cert_last_event_type: 'renewal_succeeded',
      cert_last_event_at: new Date(now - day),
      tls_not_before: new Date(now - day),
      tls_not_after: new Date(now + 89 * day),
      ca_directory: `${base}/dir`,
      ari_id: ariId,
      ari_certificate_ref: ref,
      ari_due_at: new Date(now),
      ...more,
    });
    await api.db.orm.insert(customDomains).values(row);
    return row.id;
  };
  const row = async (id: string) => {
    const [found] = await api.db.sql`
      select (extract(epoch from ari_window_end) * 1000)::float8 as window, (extract(epoch from ari_due_at) * 1000)::float8 as due,
        (extract(epoch from renewal_due_at) * 1000)::float8 as renewal, renewal_due_source as source
      from custom_domains where id = ${id}`;
    return found;
  };

  it("has the end of the CA's window for the renewal's deadline, and asks again when the CA said", async () => {
    reply = says({ suggestedWindow: { start, end } }, { 'retry-after': '7200' });
    const id = await seed();
    expect(await ariRefresh(ctx(), client())).toEqual({ kind: 'done', note: { asked: 1, windows: 1 } });
    const at = Date.parse(end);
    expect(await row(id)).toEqual({ window: at, due: now + 2 * hour, renewal: at, source: 'ari' });
    expect(await ariRefresh(ctx(), client())).toEqual({ kind: 'done', note: { asked: 0, windows: 0 } });
  });

  it.each([
    ['5', 60_000],
    ['999999', day],
  ])('takes a Retry-After of %s s for %d ms', async (retryAfter, wait) => {
    reply = says({ suggestedWindow: { start, end } }, { 'retry-after': retryAfter });
    const id = await seed();
    await ariRefresh(ctx(), client());
    expect(await row(id)).toMatchObject({ due: now + wait });
  });

  it('keeps the last window when the CA fails', async () => {
    reply = says({}, {}, 500);
    const id = await seed({ ari_window_end: new Date(now + day) });
    await ariRefresh(ctx(), client());
    expect(await row(id)).toEqual({ window: now + day, due: now + hour, renewal: now + day, source: 'ari' });
  });

  it('asks nothing while the name of the certificate is not known', async () => {
    const id = await seed({ ari_id: null, ari_certificate_ref: null });
    await ariRefresh(ctx(), client());
    expect(asked).toEqual([]);
    expect(await row(id)).toMatchObject({ window: null, due: now + day, source: 'lifetime' });
  });

  it('writes nothing of an answer about a certificate that was replaced meanwhile', async () => {
    const id = await seed();
    const slow: AriClient = {
      renewalInfo: async () => {
        await api.db.sql`update custom_domains set ari_id = 'another' where id = ${id}`;
        return { kind: 'window', endsAt: now + day, retryAfterMs: null };
      },
    };
    await ariRefresh(ctx(), slow);
    expect(await row(id)).toMatchObject({ window: null, due: now });
  });
});
