import { eq } from 'drizzle-orm';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DomainRow } from '../../src/db/domain-row.ts';
import type { RegionSummary } from '../../src/db/domain-summary.ts';
import { customDomains, events, incidents, tunnels } from '../../src/db/schema.ts';
import { domainAnswer, domainDetailAnswer, domainListAnswer, summaryAnswer } from '../../src/http/domain-schema.ts';
import { domainRoutes } from '../../src/http/domains.ts';
import { createTestApi, domainOf, eventOf, incidentOf, type TestApi } from '../support/api.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;
const day = 24 * hour;
const path = '/v1/admin/domains';

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([domainRoutes()], now);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db
    .sql`truncate custom_domains, domain_counts, certificate_lifecycle_events, certificate_incidents, tunnels`;
  api.queues.jobs.length = 0;
  api.queues.hang = false;
  api.queues.failWith = null;
  api.setNow(now);
});

type Saved = v.InferOutput<typeof domainAnswer>;
const put = async (name: string, body: unknown, expected = 200) => {
  const answer = await api.call<Saved>('PUT', `${path}/${name}`, { body });
  expect(answer).toMatchObject({ status: expected });
  return v.parse(domainAnswer, answer.body).domain;
};
const rowOf = async (domain: string): Promise<DomainRow> => {
  const [row] = await api.db.orm.select().from(customDomains).where(eq(customDomains.domain, domain));
  if (row === undefined) throw new Error(`${domain} is not there`);
  return row;
};

describe('who may do what', () => {
  it.each([
    ['GET', path, null, 401],
    ['GET', path, 'viewer', 200],
    ['GET', `${path}/cert-region-summary`, null, 401],
    ['GET', `${path}/cert-region-summary`, 'viewer', 200],
    ['GET', `${path}/a.example.com`, null, 401],
    ['GET', `${path}/a.example.com`, 'viewer', 404],
    ['PUT', `${path}/a.example.com`, null, 401],
    ['PUT', `${path}/a.example.com`, 'viewer', 403],
    ['PUT', `${path}/a.example.com`, 'operator', 403],
    ['PUT', `${path}/a.example.com`, 'admin', 201],
  ] as const)('%s %s as %s is %i', async (method, route, role, status) => {
    const answer = await api.call(method, route, { role });
    expect(answer.status).toBe(status);
  });
});

describe('PUT', () => {
  it('creates with 201 and every setting', async () => {
    const body = {
      verified: true,
      tlsMode: 'passthrough',
      region: 'eu-1',
      failurePolicy: 'hold',
      orgId: 'org 1',
      probeAddress: ['192.0.2.1', '[2001:db8::1]:8443'],
      starttls: 'smtp',
    };
    const domain = await put('Shop.Example.COM.', body, 201);
    expect(domain).toMatchObject({
      domain: 'shop.example.com',
      org_id: 'org 1',
      verified: true,
      tls_mode: 'passthrough',
      tls_status: 'passthrough_unverified',
      region: 'eu-1',
      cert_failure_policy: 'hold',
      probe_address: ['192.0.2.1', '[2001:db8::1]:8443'],
      starttls: 'smtp',
      last_verified_at: new Date(now).toISOString(),
    });
    const [tunnel] = await api.db.orm.select().from(tunnels);
    expect(tunnel).toMatchObject({ id: domain.target_tunnel_id, org_id: 'org 1', region: 'eu-1', protocol: 'https' });
  });

  it('creates with defaults from an empty body', async () => {
    expect(await put('a.example.com', undefined, 201)).toMatchObject({
      verified: false,
      tls_mode: 'termination',
      tls_status: 'pending_route',
      region: null,
      target_tunnel_id: null,
      cert_failure_policy: 'standard',
      last_verified_at: null,
    });
  });

  it('keeps what an update does not name', async () => {
    const before = await put(
      'a.example.com',
      { verified: true, region: 'eu', orgId: 'o', probeAddress: '192.0.2.1' },
      201,
    );
    expect(await put('a.example.com', { failurePolicy: 'strict' })).toEqual({
      ...before,
      cert_failure_policy: 'strict',
    });
    expect(await put('a.example.com', {})).toMatchObject({ region: 'eu', org_id: 'o', probe_address: ['192.0.2.1'] });
  });

  it('removes with null', async () => {
    await put('a.example.com', { region: 'eu', orgId: 'o', probeAddress: '192.0.2.1', starttls: 'imap' }, 201);
    const domain = await put('a.example.com', { region: null, orgId: null, probeAddress: null, starttls: null });
    expect(domain).toMatchObject({
      region: null,
      target_tunnel_id: null,
      org_id: null,
      probe_address: null,
      starttls: null,
    });
    expect(domain.tls_status).toBe('pending_route');
  });

  it('leaves the row alone when nothing changes', async () => {
    const body = { verified: true, region: 'eu', probeAddress: '192.0.2.1' };
    const before = await put('a.example.com', body, 201);
    api.setNow(now + hour);
    expect(await put('a.example.com', body)).toEqual(before);
  });

  it('takes a wildcard and an IDN from the path', async () => {
    expect((await put('%2A.example.com', {}, 201)).domain).toBe('*.example.com');
    expect((await put(encodeURIComponent('bücher.example'), {}, 201)).domain).toBe('xn--bcher-kva.example');
  });

  it('finds the tunnel of the organisation and region again', async () => {
    const a = await put('a.example.com', { region: 'eu', orgId: 'o' }, 201);
    const b = await put('b.example.com', { region: 'eu', orgId: 'o' }, 201);
    const c = await put('c.example.com', { region: 'eu' }, 201);
    expect(b.target_tunnel_id).toBe(a.target_tunnel_id);
    expect(c.target_tunnel_id).not.toBe(a.target_tunnel_id);
  });

  it.each([
    [{ colour: 'red' }, 'colour is not a known field'],
    [{ verified: 'true' }, 'verified must be true or false'],
    [{ tlsMode: 'x' }, 'tlsMode must be one of termination, passthrough'],
    [{ failurePolicy: null }, 'failurePolicy must be one of standard, strict, hold'],
    [{ region: '' }, 'region must be 1 to 64'],
    [{ region: 'unassigned' }, 'region must be 1 to 64'],
    [{ orgId: 'a\u0000' }, 'orgId must have 1 to 200 characters'],
    [{ probeAddress: 'example.com' }, 'probeAddress.0 must be an IP address'],
    [{ probeAddress: [] }, 'probeAddress must have 1 to 16 addresses'],
    [{ probeAddress: 7 }, 'probeAddress must be an address or a list of addresses'],
    [{ starttls: 'ftp' }, 'starttls must be one of smtp, imap, postgres'],
    ['"text"', 'body must be a JSON object'],
    ['{', 'The body is not valid JSON'],
  ])('refuses %j', async (body, message) => {
    const answer = await api.call<{ message: string }>('PUT', `${path}/a.example.com`, { body });
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringContaining(message) } });
    expect(await api.db.orm.$count(customDomains)).toBe(0);
  });

  it.each(['a..b', '10.0.0.1', '-a.example', 'a_b%20c', '%00', 'a'.repeat(300)])(
    'refuses the name %s',
    async (name) => {
      expect((await api.call('PUT', `${path}/${name}`, { body: {} })).status).toBe(400);
    },
  );

  it('creates once when many come at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        api.call('PUT', `${path}/race.example.com`, { body: { region: n % 2 ? 'eu' : 'us' } }),
      ),
    );
    expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1);
    expect(answers.every(({ status }) => status === 200 || status === 201)).toBe(true);
    const row = await rowOf('race.example.com');
    const [tunnel] = await api.db.orm
      .select()
      .from(tunnels)
      .where(eq(tunnels.id, row.target_tunnel_id ?? ''));
    expect(tunnel?.region).toBe(row.region);
  });
});

describe('what follows from settings', () => {
  const failing = (values: Partial<DomainRow> = {}) =>
    domainOf({
      domain: 'a.example.com',
      tls_status: 'tls_error',
      cert_failure_count: 3,
      cert_retry_backoff_seconds: 240,
      cert_next_retry_at: new Date(now - hour + 240_000),
      cert_last_failure_at: new Date(now - hour),
      cert_last_event_type: 'renewal_failed',
      cert_last_event_at: new Date(now - hour),
      ...values,
    });

  it.each([
    [{ failurePolicy: 'strict' }, 'tls_error', 1200],
    [{ failurePolicy: 'hold' }, 'tls_error', 7200],
    [{ tlsMode: 'passthrough' }, 'passthrough_unverified', 240],
    [{ region: null }, 'pending_route', 240],
  ])('%j gives %s and %i s', async (patch, status, backoff) => {
    await api.db.orm.insert(customDomains).values(failing());
    const next = new Date(now - hour + backoff * 1000).toISOString();
    expect(await put('a.example.com', patch)).toMatchObject({
      tls_status: status,
      cert_retry_backoff_seconds: backoff,
      cert_next_retry_at: next,
    });
  });

  it.each([
    [10 * day, 'expiring'],
    [80 * day, 'issued'],
  ])('a certificate that has %i ms left is %s once routed', async (left, status) => {
    await api.db.orm.insert(customDomains).values(
      domainOf({
        domain: 'a.example.com',
        region: null,
        tls_status: 'pending_route',
        tls_not_before: new Date(now - 30 * day),
        tls_not_after: new Date(now + left),
        cert_last_event_type: 'renewal_succeeded',
      }),
    );
    expect((await put('a.example.com', { region: 'eu' })).tls_status).toBe(status);
  });

  it('leaves a status that does not come from events when only other settings change', async () => {
    const fault = { tls_fault: 'expired', tls_last_checked_at: new Date(), tls_status: 'tls_error' } as const;
    await api.db.orm.insert(customDomains).values(domainOf({ domain: 'a.example.com', ...fault }));
    expect((await put('a.example.com', { orgId: 'shops', caDirectory: 'https://ca.example/dir' })).tls_status).toBe(
      'tls_error',
    );
  });

  it.each([{ verified: false }, { starttls: 'smtp' }, { probeMode: 'off' }, { probeAddress: '192.0.2.1' }])(
    'forgets the fault of a look that says nothing any more: %j',
    async (change) => {
      const fault = { tls_fault: 'expired', tls_fault_error: 'x', tls_last_checked_at: new Date() } as const;
      const route = domainOf({ domain: 'b.example.com', tls_status: 'tls_error', tls_last_error: 'x', ...fault });
      await api.db.orm.insert(customDomains).values(route);
      expect(await put('b.example.com', change)).toMatchObject({
        tls_status: 'pending_issue',
        tls_fault: null,
        tls_last_error: null,
      });
    },
  );

  it('waits for the lock that applying events holds', async () => {
    await api.db.orm.insert(customDomains).values(domainOf({ domain: 'a.example.com' }));
    let change: Promise<{ cert_failure_count: number; tls_status: string }> | undefined;
    await api.db.sql.begin(async (tx) => {
      await tx`select id from custom_domains for update`;
      change = put('a.example.com', { failurePolicy: 'strict' });
      await waitFor(async () => {
        const [blocked] = await api.db.sql`select 1 from pg_locks where not granted`;
        return blocked !== undefined;
      });
      await tx`update custom_domains set cert_failure_count = 2, cert_last_event_type = 'renewal_failed', tls_status = 'tls_error',
               cert_last_failure_at = to_timestamp(${now / 1000})`;
    });
    expect(await change).toMatchObject({
      cert_failure_count: 2,
      tls_status: 'tls_error',
      cert_retry_backoff_seconds: 600,
    });
  });
});

describe('a new organisation', () => {
  it('takes its events and live incidents along, and only its own', async () => {
    const domain = domainOf({ domain: 'a.example.com', org_id: 'old' });
    await api.db.orm.insert(customDomains).values(domain);
    const own = { domain: 'a.example.com', domain_id: domain.id, org_id: 'old' };
    await api.db.orm
      .insert(events)
      .values([
        eventOf(now, own),
        eventOf(now + 1, { ...own, status: 'pending' }),
        eventOf(now + 2, { domain: 'a.example.com', org_id: 'former owner' }),
        eventOf(now + 3, { domain: 'b.example.com', org_id: 'old' }),
      ]);
    await api.db.orm
      .insert(incidents)
      .values([
        incidentOf(now, own),
        incidentOf(now + 1, { ...own, incident_type: 'issuance_failed', status: 'resolved' }),
      ]);
    await put('a.example.com', { orgId: 'new' });
    const orgs = await api.db.orm.select({ org: events.org_id }).from(events).orderBy(events.id);
    expect(orgs.map(({ org }) => org)).toEqual(['new', 'new', 'former owner', 'old']);
    const raised = await api.db.orm.select({ org: incidents.org_id }).from(incidents).orderBy(incidents.id);
    expect(raised.map(({ org }) => org)).toEqual(['new', 'old']);
  });

  it('gets a tunnel of its own', async () => {
    const before = await put('a.example.com', { region: 'eu', orgId: 'old' }, 201);
    const after = await put('a.example.com', { orgId: 'new' });
    expect(after.target_tunnel_id).not.toBe(before.target_tunnel_id);
    expect(after.region).toBe('eu');
  });
});

describe('registration', () => {
  const waiting = (at: number, values = {}) =>
    eventOf(at, {
      domain: 'a.example.com',
      domain_id: null,
      status: 'failed',
      error_class: 'unresolved',
      retry_count: 6,
      ...values,
    });

  it('makes waiting events pending and queues them, dead letters too', async () => {
    const dead = waiting(now);
    const tried = waiting(now + 1, { status: 'pending', retry_count: 2 });
    const other = waiting(now + 2, { domain: 'b.example.com' });
    await api.db.orm.insert(events).values([dead, tried, other]);
    await put('a.example.com', { region: 'eu' }, 201);
    expect(api.queues.jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: dead.id, generation: 1, tries: 0, delayMs: 0 },
      { id: tried.id, generation: 1, tries: 0, delayMs: 0 },
    ]);
    const rows = await api.db.orm.select({ status: events.status }).from(events).orderBy(events.id);
    expect(rows.map(({ status }) => status)).toEqual(['pending', 'pending', 'failed']);
  });

  it('is queued at creation only', async () => {
    await put('a.example.com', {}, 201);
    await api.db.orm.insert(events).values(waiting(now));
    await put('a.example.com', { region: 'eu' });
    expect(api.queues.jobs).toEqual([]);
  });

  it.each([
    ['fails', () => (api.queues.failWith = new Error('away'))],
    ['hangs', () => (api.queues.hang = true)],
  ])('answers although the queue %s', async (_, break_) => {
    break_();
    await api.db.orm.insert(events).values(waiting(now));
    const started = performance.now();
    await put('a.example.com', {}, 201);
    expect(performance.now() - started).toBeLessThan(2000);
    const [row] = await api.db.orm.select({ status: events.status }).from(events);
    expect(row?.status).toBe('pending');
  });
});

type List = v.InferOutput<typeof domainListAnswer>;
const list = async (query: string): Promise<List> => {
  const answer = await api.call('GET', `${path}?${query}`);
  expect(answer).toMatchObject({ status: 200 });
  return v.parse(domainListAnswer, answer.body);
};
const names = async (query: string) => (await list(query)).domains.map(({ domain }) => domain);

describe('the list', () => {
  beforeEach(async () => {
    await api.db.orm.insert(customDomains).values([
      domainOf({ domain: 'a.example.com', org_id: 'o', region: 'eu', tls_status: 'issued', drift_state: 'in_step' }),
      domainOf({ domain: 'b.example.com', org_id: 'o', region: null, tls_status: 'pending_route' }),
      domainOf({
        domain: '*.example.com',
        org_id: 'p',
        region: 'eu',
        tls_status: 'tls_error',
        drift_state: 'stale_served',
      }),
      domainOf({ domain: 'a.example.org', org_id: 'p', region: 'us', tls_status: 'issued' }),
      domainOf({ domain: 'notexample.com', org_id: null, region: null, tls_status: 'expiring' }),
    ]);
  });

  it.each([
    ['', ['*.example.com', 'a.example.com', 'a.example.org', 'b.example.com', 'notexample.com']],
    ['status=issued', ['a.example.com', 'a.example.org']],
    ['status=tls_error', ['*.example.com']],
    ['region=eu', ['*.example.com', 'a.example.com']],
    ['region=unassigned', ['b.example.com', 'notexample.com']],
    ['region=eu&status=issued', ['a.example.com']],
    ['orgId=o', ['a.example.com', 'b.example.com']],
    ['orgId=o&region=unassigned', ['b.example.com']],
    ['orgId=p&status=issued', ['a.example.org']],
    ['drift=stale_served', ['*.example.com']],
    ['drift=in_step', ['a.example.com']],
    ['q=a.example', ['a.example.com', 'a.example.org']],
    ['q=A.EXAMPLE.COM', ['a.example.com']],
    ['q=*.example.com', ['*.example.com', 'a.example.com', 'b.example.com']],
    ['q=*.example.com&status=issued', ['a.example.com']],
    ['q=*.com', ['*.example.com', 'a.example.com', 'b.example.com', 'notexample.com']],
    ['q=a&region=us', ['a.example.org']],
    ['q=zzz', []],
  ])('%s', async (query, expected) => {
    expect((await names(query)).toSorted()).toEqual(expected);
  });

  it.each(['', 'status=issued', 'region=unassigned', 'q=*.com', 'q=*.com&region=eu', 'q=a&status=issued', 'orgId=o'])(
    'gives the same in pages of one: %s',
    async (query) => {
      const whole = await names(query);
      const paged: string[] = [];
      for (let cursor = ''; ;) {
        const page = await list(`${query}&limit=1${cursor}`);
        expect(page.domains.length).toBeLessThanOrEqual(1);
        paged.push(...page.domains.map(({ domain }) => domain));
        if (page.nextCursor === null) break;
        cursor = `&cursor=${page.nextCursor}`;
      }
      expect(paged).toEqual(whole);
    },
  );

  it.each([
    'limit=0',
    'limit=501',
    'limit=x',
    'limit=',
    'status=done',
    'status=',
    'region=',
    'region=a%20b',
    'orgId=',
    'orgId=a%00',
    'drift=odd',
    'q=',
    'q=a%20b',
    'q=*.',
    'q=%00',
    'cursor=',
    'cursor=x',
    'cursor=WyJhIGIiXQ',
    'cursor=WyJhIiwiYiJd',
    'colour=red',
    'limit=1&limit=2',
  ])('refuses %s', async (query) => {
    expect((await api.call('GET', `${path}?${query}`)).status).toBe(400);
  });
});

describe('a filter that few rows meet', () => {
  it('ends its pages early and still comes to the end', async () => {
    await api.db.sql`
      insert into custom_domains (id, domain, verification_token, tls_status)
      select gen_random_uuid(), 'd' || lpad(n::text, 6, '0') || '.example.com', 't', case when n = 24000 then 'issued' else 'pending_issue' end
      from generate_series(1, 25000) n`;
    const found: string[] = [];
    let pages = 0;
    for (let cursor = ''; ; pages += 1) {
      const page = await list(`status=issued${cursor}`);
      found.push(...page.domains.map(({ domain }) => domain));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    expect(found).toEqual(['d024000.example.com']);
    expect(pages).toBe(2);
  });
});

describe('one domain', () => {
  it('comes with its events and incidents, newest first', async () => {
    const domain = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(domain);
    const own = { domain: 'a.example.com', domain_id: domain.id };
    await api.db.orm
      .insert(events)
      .values([
        ...Array.from({ length: 60 }, (_, n) => eventOf(now + n * 1000, own)),
        eventOf(now, { domain: 'a.example.com' }),
        eventOf(now + hour, { ...own, domain_id: null, status: 'pending' }),
      ]);
    await api.db.orm.insert(incidents).values([incidentOf(now + 30_500, own), incidentOf(now)]);
    const answer = await api.call('GET', `${path}/A.example.com`, { role: 'viewer' });
    const { domain: row, addresses, timeline } = v.parse(domainDetailAnswer, answer.body);
    expect(row.id).toBe(domain.id);
    expect(addresses).toEqual([]);
    expect(timeline.filter(({ kind }) => kind === 'event')).toHaveLength(50);
    expect(timeline.filter(({ kind }) => kind === 'incident')).toHaveLength(1);
    const times = timeline.map(({ at }) => at);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(times[0]).toBe(new Date(now + hour).toISOString());
  });
});

describe('the summary by region', () => {
  const summary = async (query = ''): Promise<RegionSummary[]> => {
    const answer = await api.call<{ regions: RegionSummary[] }>('GET', `${path}/cert-region-summary${query}`);
    expect(answer.status).toBe(200);
    v.parse(summaryAnswer, answer.body);
    return answer.body.regions;
  };
  const none = { issued: 0, expiring: 0, tls_error: 0, pending_issue: 0, pending_route: 0, passthrough_unverified: 0 };

  it('counts as the domains stand now', async () => {
    const at = new Date(now);
    await api.db.orm
      .insert(customDomains)
      .values([
        domainOf({ region: 'us', tls_status: 'issued', org_id: 'o', cert_last_event_at: at }),
        domainOf({ region: 'us', tls_status: 'tls_error' }),
        domainOf({ region: 'EU', tls_status: 'expiring', org_id: 'o' }),
        domainOf({ domain: 'a.example.com', region: null, tls_status: 'pending_route' }),
      ]);
    await put('a.example.com', { region: 'us' });
    await put('b.example.com', { tlsMode: 'passthrough' }, 201);
    const us = {
      ...none,
      region: 'us',
      total: 3,
      issued: 1,
      tls_error: 1,
      pending_issue: 1,
      last_event_at: at.toISOString(),
    };
    expect(await summary()).toEqual([
      { ...none, region: 'EU', total: 1, expiring: 1, last_event_at: null },
      { ...none, region: 'unassigned', total: 1, passthrough_unverified: 1, last_event_at: null },
      us,
    ]);
    await api.db.sql`select compact_counts()`;
    expect(await summary('?orgId=o')).toEqual([
      { ...none, region: 'EU', total: 1, expiring: 1, last_event_at: null },
      { ...none, region: 'us', total: 1, issued: 1, last_event_at: at.toISOString() },
    ]);
    expect(await summary('?orgId=nobody')).toEqual([]);
  });

  it('refuses what it does not know', async () => {
    expect((await api.call('GET', `${path}/cert-region-summary?region=eu`)).status).toBe(400);
  });
});
