import { eq } from 'drizzle-orm';
import { Hono } from 'hono';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { domainAddresses, probeObservations } from '../../src/db/schema-served.ts';
import { customDomains, events, incidents } from '../../src/db/schema.ts';
import { customDomainRoutes } from '../../src/http/custom-domains.ts';
import { createdAnswer, domainAnswer, domainEventsAnswer, domainListAnswer } from '../../src/http/domain-schema.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { createTestApi, domainOf, eventOf, incidentOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const path = '/v1/domains/custom';
const nobody = '01890000-0000-7000-8000-000000000000';

/** A small DNS: the TXT records by name, or the code of the error that asking for them gives. */
const dns = new Map<string, string[][] | string>();
const asked: string[] = [];
const resolveTxt = async (name: string): Promise<string[][]> => {
  asked.push(name);
  const answer = dns.get(name) ?? 'ENOTFOUND';
  if (typeof answer === 'string') throw Object.assign(new Error(`queryTxt ${answer} ${name}`), { code: answer });
  return answer;
};
let strict = true;

let api: TestApi;
beforeAll(async () => {
  const routes = new Hono<HttpEnv>();
  routes.use(async (c, next) => {
    const { ctx } = c.var;
    c.set('ctx', { ...ctx, config: { ...ctx.config, DOMAIN_VERIFY_STRICT: strict }, resolveTxt });
    await next();
  });
  api = await createTestApi([routes.route('/', customDomainRoutes())], now);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.sql`truncate custom_domains, certificate_lifecycle_events, certificate_incidents, tunnels`;
  api.queues.jobs.length = 0;
  dns.clear();
  asked.length = 0;
  strict = true;
});

const create = async (body: object) => {
  const answer = await api.call('POST', path, { body });
  expect(answer).toMatchObject({ status: 201 });
  return v.parse(createdAnswer, answer.body);
};
const post = async (route: string, body: unknown = {}, method = 'POST') => {
  const answer = await api.call(method, `${path}/${route}`, { body });
  expect(answer).toMatchObject({ status: 200 });
  return v.parse(domainAnswer, answer.body).domain;
};

describe('who may do what', () => {
  it.each([
    ['GET', path, 'viewer', 200],
    ['GET', path, null, 401],
    ['POST', path, 'operator', 403],
    ['DELETE', `${path}/${nobody}`, 'operator', 403],
    ['DELETE', `${path}/${nobody}`, 'admin', 404],
    ['DELETE', `${path}/7`, 'admin', 400],
    ['GET', `${path}/${nobody}/cert-events`, 'viewer', 404],
    ['POST', `${path}/${nobody}/verify`, 'operator', 403],
    ['POST', `${path}/${nobody}/verify`, 'admin', 404],
    ['POST', `${path}/${nobody}/route`, 'viewer', 403],
    ['POST', `${path}/${nobody}/unroute`, 'admin', 404],
    ['PATCH', `${path}/${nobody}/failure-policy`, 'operator', 403],
  ] as const)('%s %s as %s is %i', async (method, route, role, status) => {
    expect((await api.call(method, route, { role })).status).toBe(status);
  });
});

describe('create', () => {
  it('starts unverified and says which record to set', async () => {
    const { domain, verification } = await create({ domain: 'Shop.example.com', orgId: 'o', region: 'eu' });
    expect(domain).toMatchObject({
      domain: 'shop.example.com',
      verified: false,
      region: 'eu',
      tls_status: 'pending_issue',
    });
    expect(verification).toEqual({
      type: 'TXT',
      name: '_fdt-verify.shop.example.com',
      value: domain.verification_token,
    });
    expect(domain.verification_token).toMatch(/^[0-9a-f]{32}$/);
  });

  it('looks below a wildcard', async () => {
    expect((await create({ domain: '*.example.com' })).verification.name).toBe('_fdt-verify.example.com');
  });

  it('is refused for a name that exists, and leaves it alone', async () => {
    const { domain } = await create({ domain: 'a.example.com', region: 'eu' });
    const again = await api.call<{ message: string }>('POST', path, {
      body: { domain: 'A.example.com', region: 'us' },
    });
    expect(again).toMatchObject({ status: 409, body: { message: 'The domain is registered already' } });
    const page = v.parse(domainListAnswer, (await api.call('GET', path)).body);
    expect(page.domains).toEqual([domain]);
  });

  it('resumes the events that waited', async () => {
    const event = eventOf(now, {
      domain: 'a.example.com',
      domain_id: null,
      status: 'failed',
      error_class: 'unresolved',
    });
    await api.db.orm.insert(events).values(event);
    await create({ domain: 'a.example.com' });
    expect(api.queues.jobs).toEqual([{ id: event.id, generation: 1, tries: 0, delayMs: 0 }]);
  });

  it.each([[{}], [{ domain: 'a b' }], [{ domain: 'a.example.com', verified: true }], [{ domain: 7 }]])(
    'refuses %j',
    async (body) => {
      expect((await api.call('POST', path, { body })).status).toBe(400);
    },
  );
});

describe('verify', () => {
  it('takes the token from any TXT record at the name, in pieces too', async () => {
    const { domain, verification } = await create({ domain: '*.example.com' });
    const half = verification.value.slice(0, 10);
    dns.set(verification.name, [['v=spf1 -all'], [half, verification.value.slice(10)]]);
    api.setNow(now + 1000);
    const verified = await post(`${domain.id}/verify`);
    expect(verified).toMatchObject({ verified: true, last_verified_at: new Date(now + 1000).toISOString() });
    expect(asked).toEqual(['_fdt-verify.example.com']);
  });

  it.each([
    ['ENOTFOUND', 'there is no TXT record'],
    ['ENODATA', 'there is no TXT record'],
    [[['other'], ['more']], '2 TXT record(s) hold other text'],
  ])('says where the record is missing: %j', async (records, seen) => {
    const { domain, verification } = await create({ domain: 'a.example.com' });
    dns.set(verification.name, records);
    const answer = await api.call<{ message: string }>('POST', `${path}/${domain.id}/verify`);
    expect(answer.status).toBe(409);
    expect(answer.body.message).toContain(`at _fdt-verify.a.example.com ${seen}`);
    expect(answer.body.message).not.toContain(domain.verification_token);
    const [row] = await api.db.orm.select().from(customDomains);
    expect(row?.verified).toBe(false);
  });

  it.each(['ESERVFAIL', 'ETIMEOUT', 'ECONNREFUSED'])('answers 503 when the DNS does not: %s', async (code) => {
    const { domain, verification } = await create({ domain: 'a.example.com' });
    dns.set(verification.name, code);
    const answer = await api.call('POST', `${path}/${domain.id}/verify`);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
  });

  it('gives a domain the deadline that its events named, and a look at what it serves', async () => {
    strict = false;
    const due = new Date(now - 1000);
    const seeded = domainOf({
      verified: false,
      cert_last_event_type: 'renewal_succeeded',
      cert_last_event_at: new Date(now - 9000),
      cert_renewal_due_at: due,
      cert_due_current: true,
      renewal_due_at: due,
      look_due_at: null,
      probe_due_at: new Date(now + 9000),
    });
    await api.db.orm.insert(customDomains).values(seeded);
    api.setNow(now + 1000);
    const at = new Date(now + 1000).toISOString();
    expect(await post(`${seeded.id}/verify`)).toMatchObject({ verified: true, look_due_at: at, probe_due_at: at });
    // The deadline is past, which the settle pass has to hear of.
    const [clock] = await api.db.sql<Record<string, unknown>[]>`
      select look_due_at <= ${at} as look, renewal_due_at <= ${at} as renewal from domain_clocks where domain_id = ${seeded.id}`;
    expect(clock).toEqual({ look: true, renewal: true });
  });

  it('needs no record when it is not strict', async () => {
    strict = false;
    const { domain } = await create({ domain: 'a.example.com' });
    expect((await post(`${domain.id}/verify`)).verified).toBe(true);
    expect(asked).toEqual([]);
  });
});

describe('settings', () => {
  it('routes and unroutes', async () => {
    const { domain } = await create({ domain: 'a.example.com' });
    expect(domain.tls_status).toBe('pending_route');
    expect(await post(`${domain.id}/route`, { region: 'eu' })).toMatchObject({
      region: 'eu',
      tls_status: 'pending_issue',
    });
    expect(await post(`${domain.id}/unroute`)).toMatchObject({
      region: null,
      target_tunnel_id: null,
      tls_status: 'pending_route',
    });
  });

  it.each(['POST', 'PUT', 'PATCH'])('%s sets the failure policy', async (method) => {
    const row = domainOf({
      cert_failure_count: 1,
      cert_last_failure_at: new Date(now),
      cert_last_event_type: 'renewal_failed',
    });
    await api.db.orm.insert(customDomains).values(row);
    const domain = await post(`${row.id}/failure-policy`, { failurePolicy: 'hold' }, method);
    expect(domain).toMatchObject({
      cert_failure_policy: 'hold',
      cert_retry_backoff_seconds: 600,
      tls_status: 'tls_error',
    });
  });

  it.each([
    ['route', {}],
    ['route', { region: null }],
    ['route', { region: 'eu', more: 1 }],
    ['unroute', { region: 'eu' }],
    ['failure-policy', {}],
    ['failure-policy', { failurePolicy: 'soft' }],
  ])('%s refuses %j', async (route, body) => {
    const { domain } = await create({ domain: 'a.example.com' });
    expect((await api.call('POST', `${path}/${domain.id}/${route}`, { body })).status).toBe(400);
  });
});

describe('the events of a domain', () => {
  it('come in pages, its own and the unresolved ones of its name', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    const own = { domain: 'a.example.com', domain_id: row.id };
    const rows = [
      eventOf(now, own),
      eventOf(now + 1, { ...own, domain_id: null, status: 'pending' }),
      eventOf(now + 2, own),
    ];
    await api.db.orm.insert(events).values([...rows, eventOf(now + 3, { domain: 'a.example.com' }), eventOf(now + 4)]);
    const first = v.parse(domainEventsAnswer, (await api.call('GET', `${path}/${row.id}/cert-events?limit=2`)).body);
    expect(first.events.map(({ id }) => id)).toEqual([rows[2]?.id, rows[1]?.id]);
    const rest = await api.call('GET', `${path}/${row.id}/cert-events?limit=2&cursor=${first.nextCursor}`);
    const { events: last, nextCursor } = v.parse(domainEventsAnswer, rest.body);
    expect(last.map(({ id }) => id)).toEqual([rows[0]?.id]);
    expect(nextCursor).toBeNull();
  });
});

describe('delete', () => {
  it('resolves live incidents with a note and keeps the history', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    const own = { domain: 'a.example.com', domain_id: row.id };
    await api.db.orm.insert(incidents).values([incidentOf(now, { ...own, status: 'acknowledged' }), incidentOf(now)]);
    await api.db.orm.insert(events).values(eventOf(now, own));
    expect((await api.call('DELETE', `${path}/${row.id}`)).body).toEqual({ ok: true });
    expect((await api.call('DELETE', `${path}/${row.id}`)).status).toBe(404);
    const [closed, other] = await api.db.orm.select().from(incidents).orderBy(incidents.id);
    const mine = [closed, other].find((incident) => incident?.domain === 'a.example.com');
    expect(mine).toMatchObject({ status: 'resolved', resolved_by: 'admin', resolve_note: 'The domain was deleted' });
    expect(await api.db.orm.$count(incidents, eq(incidents.status, 'open'))).toBe(1);
    expect(await api.db.orm.$count(events)).toBe(1);
  });

  it('removes what looks at the domain found, and nothing of others', async () => {
    const [row, other] = [domainOf(), domainOf()];
    await api.db.orm.insert(customDomains).values([row, other]);
    const found = { address: '192.0.2.1:443', verdict: 'ok', depth: 'full' } as const;
    for (const { id } of [row, other]) {
      const at = new Date(now);
      await api.db.orm.insert(domainAddresses).values({ ...found, domain_id: id, checked_at: at });
      await api.db.orm.insert(probeObservations).values({ ...found, domain_id: id, created_at: at });
    }
    await api.call('DELETE', `${path}/${row.id}`);
    const left = await api.db.sql`
      select a.domain_id as address, o.domain_id as observation from domain_addresses a full join probe_observations o using (domain_id)`;
    expect(left).toEqual([{ address: other.id, observation: other.id }]);
    await api.db.sql`truncate domain_addresses, probe_observations`;
  });

  it('lets unapplied events wait for the name to come back', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    const event = eventOf(now, { domain: 'a.example.com', domain_id: row.id, status: 'failed' });
    await api.db.orm.insert(events).values(event);
    await api.call('DELETE', `${path}/${row.id}`);
    await create({ domain: 'a.example.com' });
    expect(api.queues.jobs.map(({ id }) => id)).toEqual([event.id]);
  });
});
