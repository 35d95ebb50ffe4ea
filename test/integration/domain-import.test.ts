import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { customDomains, events, tunnels } from '../../src/db/schema.ts';
import { importRoutes } from '../../src/http/domain-import.ts';
import type { ImportReport } from '../../src/http/import-run.ts';
import { type HttpServer, listen } from '../../src/http/server.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12);
const path = '/v1/admin/domains/import';
const headers = { authorization: 'Bearer admin-token-of-the-test', 'content-type': 'application/x-ndjson' };

let api: TestApi;
let server: HttpServer;
let base: string;
beforeAll(async () => {
  api = await createTestApi([importRoutes()], now);
  server = await listen(api.app, { host: '127.0.0.1', port: 0, variable: 'PORT', elapsed: () => performance.now() });
  base = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.drain(1000);
  await api.close();
});
beforeEach(async () => {
  await api.db.sql`truncate custom_domains, certificate_lifecycle_events, certificate_incidents, tunnels`;
  api.queues.jobs.length = 0;
  api.queues.failWith = null;
});

type Answer = ImportReport & { readonly ok: boolean };
const lines = (...rows: (object | string)[]) =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');
const load = async (body: string | Uint8Array<ArrayBuffer>, extra: Record<string, string> = {}): Promise<Answer> => {
  const response = await fetch(`${base}${path}`, { method: 'POST', headers: { ...headers, ...extra }, body });
  expect(response.status).toBe(200);
  // The tests hold its fields against what they expect.
  return (await response.json()) as Answer;
};
const all = () => api.db.orm.select().from(customDomains).orderBy(customDomains.domain);

describe('who may import', () => {
  it.each([
    ['/v1/admin/domains/import', null, 401],
    ['/v1/admin/domains/import', 'operator', 403],
    ['/v1/domains/custom/import', 'viewer', 403],
    ['/v1/domains/custom/import', 'admin', 200],
  ] as const)('%s as %s is %i', async (route, role, status) => {
    expect((await api.call('POST', route, { role, body: '' })).status).toBe(status);
  });
});

describe('an import', () => {
  it('creates and changes', async () => {
    await load(lines({ domain: 'a.example.com', region: 'eu', orgId: 'o', verified: true }));
    const [before] = await all();
    const answer = await load(
      lines(
        { domain: 'A.example.com.', failurePolicy: 'strict' },
        { domain: 'b.example.com', tlsMode: 'passthrough', probeAddress: ['192.0.2.1', '::1'], starttls: 'smtp' },
      ),
    );
    expect(answer).toEqual({ ok: true, imported: 2, failed: 0, errors: [] });
    const [a, b] = await all();
    expect(a).toEqual({ ...before, cert_failure_policy: 'strict' });
    expect(b).toMatchObject({
      domain: 'b.example.com',
      tls_status: 'passthrough_unverified',
      probe_address: ['192.0.2.1', '::1'],
    });
    expect(b?.verification_token).toMatch(/^[0-9a-f]{32}$/);
  });

  it('gives each route its tunnel', async () => {
    await load(
      lines(
        { domain: 'a.example.com', region: 'eu', orgId: 'o' },
        { domain: 'b.example.com', region: 'eu', orgId: 'o' },
        { domain: 'c.example.com', region: 'eu' },
        { domain: 'd.example.com', region: 'us', orgId: 'o' },
        { domain: 'e.example.com' },
      ),
    );
    const ids = (await all()).map(({ target_tunnel_id }) => target_tunnel_id);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(4);
    expect(ids[4]).toBeNull();
    expect(await api.db.orm.$count(tunnels)).toBe(3);
  });

  it('works out status and backoff of a failing domain', async () => {
    const failing = {
      cert_failure_count: 2,
      cert_last_failure_at: new Date(now),
      cert_last_event_type: 'renewal_failed' as const,
    };
    await api.db.orm
      .insert(customDomains)
      .values(domainOf({ domain: 'a.example.com', tls_status: 'tls_error', ...failing }));
    await load(lines({ domain: 'a.example.com', failurePolicy: 'hold' }));
    const [row] = await all();
    expect(row).toMatchObject({ tls_status: 'tls_error', cert_retry_backoff_seconds: 1200 });
    expect(row?.cert_next_retry_at).toEqual(new Date(now + 1_200_000));
  });

  it('leaves rows alone that are as the file says', async () => {
    const file = lines({ domain: 'a.example.com', region: 'eu', verified: true, probeAddress: '192.0.2.1' });
    await load(file);
    const before = await all();
    api.setNow(now + 60_000);
    expect(await load(file)).toMatchObject({ imported: 1, failed: 0 });
    api.setNow(now);
    expect(await all()).toEqual(before);
  });

  it('takes events along to a new organisation', async () => {
    const row = domainOf({ domain: 'a.example.com', org_id: 'old' });
    await api.db.orm.insert(customDomains).values(row);
    await api.db.orm
      .insert(events)
      .values([
        eventOf(now, { domain: 'a.example.com', domain_id: row.id, org_id: 'old' }),
        eventOf(now + 1, { domain: 'a.example.com', org_id: 'former' }),
      ]);
    await load(lines({ domain: 'a.example.com', orgId: 'new' }));
    const orgs = await api.db.orm.select({ org: events.org_id }).from(events).orderBy(events.id);
    expect(orgs.map(({ org }) => org)).toEqual(['new', 'former']);
  });

  it('has the later of two lines win, field by field', async () => {
    const answer = await load(
      lines(
        { domain: 'a.example.com', region: 'eu', verified: true },
        { domain: 'b.example.com' },
        { domain: 'a.example.com', region: 'us' },
      ),
    );
    expect(answer.imported).toBe(3);
    expect((await all())[0]).toMatchObject({ region: 'us', verified: true });
  });

  it('counts bad lines by number and keeps the good ones', async () => {
    const long = JSON.stringify({ domain: 'l.example.com', orgId: 'x'.repeat(70_000) });
    const body = Buffer.concat([
      Buffer.from('\uFEFF{"domain":"a.example.com"}\r\n\r\n  \nnot json\n'),
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      Buffer.from(
        `${lines({ domain: 'no host' }, { region: 'eu' }, { domain: 'b.example.com', odd: 1 }, '[]', 'null', long)}\n`,
      ),
      Buffer.from('{"domain":"z.example.com"}'),
    ]);
    const answer = await load(body);
    expect(answer).toMatchObject({ ok: true, imported: 2, failed: 8 });
    expect(answer.errors).toEqual([
      { line: 4, message: 'The line is not valid JSON in UTF-8' },
      { line: 5, message: 'The line is not valid JSON in UTF-8' },
      { line: 6, message: 'domain must be a host name' },
      { line: 7, message: 'domain is required' },
      { line: 8, message: 'odd is not a known field' },
      { line: 9, message: 'The line must be a JSON object' },
      { line: 10, message: 'The line must be a JSON object' },
      { line: 11, message: 'The line is longer than 65536 bytes' },
    ]);
    expect((await all()).map(({ domain }) => domain)).toEqual(['a.example.com', 'z.example.com']);
  });

  it('tells the first hundred errors and counts them all', async () => {
    const answer = await load('x\n'.repeat(250));
    expect(answer.failed).toBe(250);
    expect(answer.errors).toHaveLength(100);
  });

  it('takes an empty body', async () => {
    expect(await load('')).toEqual({ ok: true, imported: 0, failed: 0, errors: [] });
  });

  it('refuses a compressed body', async () => {
    const init = { method: 'POST', headers: { ...headers, 'content-encoding': 'gzip' }, body: 'x' };
    expect((await fetch(`${base}${path}`, init)).status).toBe(415);
  });

  it('resumes the events that waited for new names, and goes on without the queue', async () => {
    const waiting = ['a', 'b'].map((name, n) =>
      eventOf(now + n, { domain: `${name}.example.com`, domain_id: null, status: 'failed', error_class: 'unresolved' }),
    );
    await api.db.orm.insert(events).values(waiting);
    await load(lines({ domain: 'a.example.com' }));
    expect(api.queues.jobs.map(({ id }) => id)).toEqual([waiting[0]?.id]);
    api.queues.failWith = new Error('away');
    expect(await load(lines({ domain: 'b.example.com' }))).toMatchObject({ ok: true, imported: 1 });
    expect(await api.db.orm.$count(events)).toBe(2);
  });
});

describe('a large import', () => {
  const many = (from: number, to: number, region: string) =>
    lines(
      ...Array.from({ length: to - from }, (_, n) => ({
        domain: `d${from + n}.example.com`,
        region,
        orgId: `o${n % 7}`,
      })),
    );

  it('may run beside others over the same names', async () => {
    const answers = await Promise.all([
      load(many(0, 5000, 'eu')),
      load(many(0, 5000, 'us')),
      load(many(2500, 7500, 'eu')),
    ]);
    expect(answers.map(({ imported, failed }) => [imported, failed])).toEqual([
      [5000, 0],
      [5000, 0],
      [5000, 0],
    ]);
    expect(await api.db.orm.$count(customDomains)).toBe(7500);
    const [odd] = await api.db.sql`
      select count(*)::int as n from custom_domains d join tunnels t on t.id = d.target_tunnel_id
      where t.region <> d.region or t.org_id is distinct from d.org_id`;
    expect(odd).toEqual({ n: 0 });
  });

  it('tells how far it is when asked to', async () => {
    const response = await fetch(`${base}${path}`, {
      method: 'POST',
      headers: { ...headers, accept: 'application/x-ndjson' },
      body: many(0, 3000, 'eu'),
    });
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const told = (await response.text())
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(told.at(-1)).toEqual({ ok: true, imported: 3000, failed: 0, errors: [] });
  });

  it('stops when the sender goes away, and keeps what was imported', async () => {
    const upload = request(`${base}${path}`, { method: 'POST', headers });
    const gone = new Promise((resolve) => upload.on('error', resolve).on('close', resolve));
    upload.write(`${many(0, 2000, 'eu')}\n${many(2000, 2500, 'eu')}\n`);
    await waitFor(async () => (await api.db.orm.$count(customDomains)) === 2000, { what: 'the first batch' });
    upload.destroy();
    await gone;
    await load(lines({ domain: 'after.example.com' }));
    expect(await api.db.orm.$count(customDomains)).toBe(2001);
  });
});
