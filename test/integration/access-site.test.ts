import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cookieOf } from '../support/access.ts';
import { openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite('postgres', { NOTAFTER_TRUSTED_PROXIES: '127.0.0.1', CERT_INGEST_FAILURES_PER_MINUTE: '5' });
});
afterAll(() => site.close());

interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, string>>;
}

const post = (path: string, { headers = {}, fields = {} }: Sent = {}) =>
  fetch(site.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: site.url, accept: 'text/html', ...headers },
    body: new URLSearchParams(fields),
  });

/** The status of a request whose Host header is chosen, as fetch does not let one. */
const statusAt = (host: string, origin: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(site.url);
    const headers = { host, origin, 'content-type': 'application/x-www-form-urlencoded' };
    const sent = request({ hostname, port, path: '/console/login', method: 'POST', headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(new URLSearchParams({ token: site.adminToken }).toString());
  });

describe('a browser at the running server', () => {
  it('signs in, looks around, and signs out', async () => {
    const answer = await post('/console/login', { fields: { token: site.adminToken, next: '/console' } });
    expect(answer.status).toBe(303);
    const cookie = cookieOf(answer) ?? '';
    const look = () => fetch(`${site.url}/console`, { redirect: 'manual', headers: { cookie, accept: 'text/html' } });
    expect((await look()).status).toBe(200);
    expect((await post('/console/logout', { headers: { cookie } })).status).toBe(303);
    const after = await look();
    expect([after.status, after.headers.get('location')]).toEqual([303, '/console/login']);
  });

  it('comes from the address that the proxy says', async () => {
    const headers = { 'x-forwarded-for': '198.51.100.9, 203.0.113.7', 'x-request-id': 'of-the-proxy' };
    const answer = await post('/console/login', { headers, fields: { token: site.adminToken } });
    expect(answer.headers.get('x-request-id')).toBe('of-the-proxy');
    const [row] = await site.sql<{ address: string; request_id: string }[]>`
      select address, request_id from audit_log where action = 'session.open' order by seq desc limit 1`;
    expect(row).toEqual({ address: '203.0.113.7', request_id: 'of-the-proxy' });
  });

  it.each([
    ['203.0.113.8:4711', '203.0.113.8'],
    ['[2001:db8::8]:4711', '2001:db8::8'],
    ['2001:DB8::9', '2001:db8::9'],
    ['unknown', '127.0.0.1'],
    ['', '127.0.0.1'],
  ])('comes from nowhere that it names itself, where the proxy says %j', async (hop, address) => {
    const headers = { 'x-forwarded-for': `198.51.100.10, ${hop}` };
    await post('/console/login', { headers, fields: { token: site.adminToken } });
    const [row] = await site.sql<{ address: string }[]>`
      select address from audit_log where action = 'session.open' order by seq desc limit 1`;
    expect(row?.address).toBe(address);
  });

  it('is slowed by its own address, and not by another’s', async () => {
    const from = (address: string, token: string) =>
      post('/console/login', { headers: { 'x-forwarded-for': address }, fields: { token } });
    for (let n = 0; n < 10; n += 1) expect((await from('2001:db8::1', 'a-guess')).status).toBe(401);
    // The same subscriber, with another address of its own.
    expect((await from('2001:db8::ffff', site.adminToken)).status).toBe(429);
    expect((await from('2001:db8:0:1::1', site.adminToken)).status).toBe(303);
  });

  it.each([
    ['the name it asked for', 'console.example', 'https://console.example', 303],
    ['another name', 'console.example', 'https://evil.example', 403],
  ])('may send changes from pages of %s', async (_, host, origin, status) => {
    expect(await statusAt(host, origin)).toBe(status);
  });

  it('is not heard out for ever', async () => {
    const answer = await post('/console/login', { fields: { token: 'x'.repeat(100_000) } });
    expect(answer.status).toBe(413);
    const other = await fetch(`${site.url}/console/login`, {
      method: 'POST',
      headers: { origin: site.url, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(other.status).toBe(415);
  });
});

describe('who guesses behind a proxy', () => {
  const refusals = async (path: string, headers: (n: number) => Record<string, string>, times: number) => {
    const answers = [];
    for (let n = 0; n < times; n += 1)
      answers.push(await fetch(site.url + path, { method: 'POST', headers: headers(n) }));
    return answers.map(({ status }) => status);
  };

  it('keeps out nobody who signed in before, from however many addresses', async () => {
    const from = (address: string, token: string) =>
      post('/console/login', { headers: { 'x-forwarded-for': address }, fields: { token } });
    expect((await from('2001:db8:0:7::1', site.adminToken)).status).toBe(303);
    await site.sql`
      insert into access_attempts values ('account:configured', 100, ${Date.now() + 60_000})
      on conflict (key) do update set points = excluded.points, expire = excluded.expire`;
    expect((await from('2001:db8:0:7::2', site.adminToken)).status).toBe(303);
    expect((await from('2001:db8:0:8::1', site.adminToken)).status).toBe(429);
    await site.sql`delete from access_attempts`;
  });

  it('stops nobody else from sending events', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': address, 'x-cert-event-token': 'a guess' });
    const seen = await refusals('/v1/domains/cert-events', () => from('203.0.113.20'), 6);
    expect(seen).toEqual([401, 401, 401, 401, 401, 429]);
    await site.tell('shop.example', 'renewal_succeeded');
  });

  it('gains nothing from the addresses that come with one subscription', async () => {
    const from = (n: number) => ({ 'x-forwarded-for': `2001:db8:0:9::${n + 1}`, authorization: 'Bearer a-guess' });
    const seen = await refusals('/v1/admin/replays', from, 61);
    expect(seen).toEqual([...Array<number>(60).fill(401), 429]);
  });
});

describe('who asks for very much', () => {
  it('holds up no event', async () => {
    const headers = { authorization: `Bearer ${site.adminToken}` };
    let asked: Promise<Response>[] = [];
    await site.sql.begin(async (sql) => {
      await sql`lock table audit_checkpoints in access exclusive mode`;
      asked = Array.from({ length: 30 }, () => fetch(`${site.url}/v1/admin/audit/checkpoint`, { headers }));
      await waitFor(async () => {
        const [row] = await site.sql<{ n: number }[]>`
          select count(*)::int as n from pg_locks where not granted and relation = 'audit_checkpoints'::regclass`;
        return (row?.n ?? 0) >= 6;
      });
      await site.tell('shop.example', 'renewal_succeeded');
    });
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
  });
});
