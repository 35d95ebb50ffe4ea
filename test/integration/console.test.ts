import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessTokens, auditLog } from '../../src/db/schema-access.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import { createApp } from '../../src/http/app.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { signIn } from '../support/access.ts';
import { tokenOf } from '../support/api.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { fleetNames, makeFleet, refOf } from '../support/fleet.ts';

const now = Date.parse('2026-11-21T03:12:00Z');
const fernToken = 'nat_of-one-organisation-0123456789';
let console: TestConsole;

beforeAll(async () => {
  console = await createTestConsole(now);
  await makeFleet(console.db, now);
  await console.db.orm.insert(accessTokens).values({
    id: randomUUID(),
    name: 'fern-ops',
    role: 'operator',
    org_id: 'fern',
    hash: createHash('sha256').update(fernToken).digest(),
    created_at: new Date(now),
    created_by: 'test',
  });
});
afterAll(() => console.close());

const addresses = [
  '/console',
  '/console/domains',
  `/console/domains/${fleetNames.drift}`,
  `/console/domains/${fleetNames.rejected}`,
  `/console/domains/${fleetNames.breach}/policy`,
  '/console/regions',
  '/console/search?q=api-1',
  '/console/search',
];

describe('every page', () => {
  it.each(['/console/login', ...addresses])(
    '%s lets nothing run or load but our own files, and is kept nowhere',
    async (address) => {
      const { status, headers, html } = await console.get(address, {
        role: address === '/console/login' ? null : 'admin',
      });
      expect(status).toBe(200);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('same-origin');
      expect(html).toMatch(/^<!doctype html><html lang="en"/);
      expect(html).not.toMatch(/<[^>]*\sstyle=|<[^>]*\son[a-z]+=[^>]*>(?<!&quot;)|<style|<script(?![^>]*\ssrc=)|<img/);
      expect(html.match(/<h1/g)).toHaveLength(1);
    },
  );

  it.each(addresses)('%s shows nothing to whoever is not signed in', async (address) => {
    const browser = await console.get(address, { role: null });
    expect(browser.status).toBe(303);
    expect(browser.headers.get('location')).toMatch(/^\/console\/login(?:\?next=|$)/);
    expect((await console.get(address, { role: null, headers: { accept: '*/*' } })).status).toBe(401);
  });

  it('names its style sheet and script by their content, and those may be kept for ever', async () => {
    const { html } = await console.get('/console/login', { role: null });
    const files = [...html.matchAll(/(?:href|src)="(\/console\/assets\/[^"]+)"/g)].flatMap(([, file]) => file ?? []);
    expect(files).toHaveLength(3);
    for (const file of files) {
      expect(file).toMatch(/\.[0-9a-f]{12}\.(?:css|js|svg)$/);
      const answer = await console.get(file, { role: null });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
    expect((await console.get('/console/assets/console.000000000000.css', { role: null })).status).toBe(404);
  });

  it('is reached from / by browsers alone', async () => {
    const app = createApp(console.ctx, ingestSink(console.ctx), () => Promise.resolve({ ready: true, checks: {} }));
    const browser = await app.request('/', { headers: { accept: 'text/html' } });
    expect([browser.status, browser.headers.get('location')]).toEqual([303, '/console']);
    expect((await app.request('/')).status).toBe(404);
  });

  it('that is not there is told of by a page, to whoever is signed in', async () => {
    const app = createApp(console.ctx, ingestSink(console.ctx), () => Promise.resolve({ ready: true, checks: {} }));
    const cookie = await signIn(app, tokenOf('viewer'));
    const ask = (headers: Record<string, string>) => app.request('http://localhost/console/nosuch', { headers });
    const page = await ask({ cookie, accept: 'text/html' });
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8']);
    expect(await page.text()).toContain('There is no page at this address');
    for (const headers of [{ accept: 'text/html' }, { cookie, accept: 'application/json' }]) {
      const answer = await ask(headers);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
    }
  });

  it('is reached behind the path of a proxy, whether that took it off or not', async () => {
    const config = { ...console.ctx.config, NOTAFTER_PUBLIC_URL: 'https://ops.example/certs' };
    const ctx = { ...console.ctx, config };
    const app = createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
    for (const path of ['/', '/certs', '/certs/']) {
      const answer = await app.request(path, { headers: { accept: 'text/html' } });
      expect([path, answer.status, answer.headers.get('location')]).toEqual([path, 303, '/certs/console']);
    }
    for (const path of ['/console/login', '/certs/console/login']) {
      const html = await (await app.request(path)).text();
      const links = [...html.matchAll(/(?:href|src|action)="(\/[^"]*)"/g)].map(([, link]) => link);
      expect(links.length).toBeGreaterThan(3);
      expect(links.filter((link) => link?.startsWith('/certs/console/') !== true)).toEqual([]);
    }
  });

  it.each([
    ['/console/domains?nosuch=1', 400, 'nosuch is not a known parameter'],
    ['/console/domains?status=nosuch', 400, 'status must be one of'],
    ['/console/domains?sort=ends&q=api', 400, 'cannot be combined'],
    ['/console/domains?cursor=x', 400, 'cursor is not one that this list gave out'],
    ['/console/domains?expires=tomorrow', 400, 'expires must be a day'],
    ['/console/domains/not%20a%20name', 400, 'must be a host name'],
    ['/console/domains/nobody.example', 404, 'not registered'],
    ['/console/domains/a.example/policy?', 404, 'not registered'],
  ])('%s is answered by a page that names the fault', async (address, status, says) => {
    const answer = await console.get(address);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(says);
    expect(answer.html).toContain('<nav class="nav"');
  });

  it.each([
    ['/console/settings', 'spans organisations'],
    ['/console/tokens', 'needs the role admin'],
  ])('%s is refused to whoever may not see it by a page, too', async (address, says) => {
    const answer = await console.get(address, { token: fernToken });
    expect(answer.status).toBe(403);
    expect(answer.text).toContain(says);
    expect(answer.html).toContain('<nav class="nav"');
  });
});

describe('the overview', () => {
  it('begins with what needs attention, the worst first', async () => {
    const { html, text } = await console.get('/console');
    expect(html).toMatch(/<title>\d need attention · notafter<\/title>/);
    const order = ['past the time to renew', 'gave up', 'could not be delivered'].map((words) => text.indexOf(words));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order[0]).toBeGreaterThan(0);
    expect(html).toContain('href="/console/domains?sla=breach"');
  });

  it('shows one organisation only its own', async () => {
    const { status, text } = await console.get('/console', { token: fernToken });
    expect(status).toBe(200);
    expect(text).not.toMatch(/harbor|brook|Pipeline, last 24 hours|Settings/);
    expect((await console.get('/console?org=harbor', { token: fernToken })).status).toBe(403);
  });
});

describe('the list of domains', () => {
  it('names a filter that has no field as people do', async () => {
    const { text, html } = await console.get('/console/domains?sla=breach');
    expect(text).toMatch(/renewal past the time to renew/);
    expect(html).toContain('aria-label="Remove filter renewal"');
  });

  it('leads through all pages by name, each once', async () => {
    const seen: string[] = [];
    let address: string | undefined = '/console/domains?region=eu-west';
    while (address !== undefined) {
      const { html } = await console.get(address.replaceAll('&amp;', '&'));
      seen.push(...[...html.matchAll(/<tr role="row" data-id="([^"]+)"/g)].flatMap(([, id]) => id ?? []));
      address = /<a href="([^"]+)" rel="next"/.exec(html)?.[1];
    }
    const all = await console.db.orm.select({ region: customDomains.region }).from(customDomains);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(all.filter(({ region }) => region === 'eu-west').length);
  });

  it.each([
    ['sla=breach', 'pay.harbor.example', 'renewal due first'],
    ['drift=any', 'vpn.brook.example', 'of 2|2, by name'],
    ['drift=stale_served', 'vpn.brook.example', '1, by name'],
    ['status=tls_error', 'pay.harbor.example', '2, by name'],
    ['sort=ends', 'pay.harbor.example', 'ending first'],
    ['q=*.brook.example', 'vpn.brook.example', 'shown'],
    ['q=vpn.&status=&region=', 'vpn.brook.example', 'shown'],
    ['region=unassigned', 'lab.tallow.example', '1, by name'],
  ])('narrowed by %s holds %s', async (query, name, says) => {
    const { status, text } = await console.get(`/console/domains?${query}`);
    expect(status).toBe(200);
    expect(text).toContain(name);
    expect(text).toMatch(new RegExp(says));
  });

  it('by deadline leads on from page to page, the nearest first', async () => {
    const first = await console.get('/console/domains?sort=ends');
    const next = /<a href="([^"]+)" rel="next"/.exec(first.html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const second = await console.get(next);
    const ids = (html: string) => [...html.matchAll(/data-id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids(first.html)).toHaveLength(50);
    expect(ids(second.html)).toHaveLength(50);
    expect(ids(first.html).filter((id) => ids(second.html).includes(id))).toEqual([]);
  });

  it('says what to do when nothing matches', async () => {
    const { text } = await console.get('/console/domains?q=nobody-has-this');
    expect(text).toContain('No domain matches these filters Remove the filters');
  });

  it('shows one organisation only its own, and exports no more', async () => {
    const { text } = await console.get('/console/domains', { token: fernToken });
    expect(text).toContain('beta.fern.example');
    expect(text).not.toMatch(/harbor|brook|wren|tallow/);
    const csv = await console.get('/console/domains.csv', { token: fernToken });
    expect(csv.html).not.toMatch(/harbor|brook|wren|tallow/);
    expect((await console.get('/console/domains?orgId=harbor', { token: fernToken })).status).toBe(403);
  });

  it('is exported whole, as text that no spreadsheet runs, and the export is audited', async () => {
    const { headers, html } = await console.get('/console/domains.csv?status=tls_error', { role: 'viewer' });
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="domains.csv"');
    const lines = html.trim().split('\r\n');
    expect(lines[0]).toMatch(/^domain,org_id,region,/);
    expect(lines).toHaveLength(3);
    const rows = await console.db.orm.select().from(auditLog);
    const noted = rows.filter(({ action, object_id: of }) => action === 'list.export' && of === null).at(-1);
    expect([noted?.actor, noted?.object_type, noted?.after]).toEqual(['viewer', 'domains', { status: 'tls_error' }]);
  });
});

describe('a domain', () => {
  it('shows event truth beside served truth, what differs first', async () => {
    const { html, text } = await console.get(`/console/domains/${fleetNames.drift}`);
    expect(html).toContain('<title>Renewed, but [2001:db8:20::15]:443 serves the old certificate');
    expect(text).toContain('3 addresses, 1 differs');
    const places = ['Expected', '[2001:db8:20::15]:443 ', '192.0.2.15:443 '].map((words) =>
      html.indexOf(`>${words.trim()}`),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(text).toContain('old certificate');
    expect(html).toContain('aria-label="Expected certificate: valid');
  });

  it('tells its history in two lanes, and of one kind where asked', async () => {
    const all = await console.get(`/console/domains/${fleetNames.drift}`);
    for (const lane of ['data-lane="Events:"', 'data-lane="Probes:"']) expect(all.html).toContain(lane);
    const probes = await console.get(`/console/domains/${fleetNames.drift}?show=probes`);
    expect(probes.html).not.toContain('data-lane="Events:"');
    expect((await console.get(`/console/domains/${fleetNames.drift}?show=nosuch`)).status).toBe(400);
  });

  it('keeps markup of names, errors and certificates as text', async () => {
    for (const name of [fleetNames.drift, fleetNames.rejected]) {
      const { html, text } = await console.get(`/console/domains/${name}`);
      expect(html).not.toContain('<img');
      expect(html).not.toContain('<b>kiosk');
      expect(text).toContain('<img src=x onerror="document.title=1">');
    }
  });

  it('leads from what is wrong to the sheet that acknowledges it', async () => {
    const { html } = await console.get(`/console/domains/${fleetNames.rejected}`);
    const sheet = /<a[^>]*href="([^"]*\/ack[^"]*)"/.exec(html)?.[1];
    const { status, text } = await console.get(sheet ?? '/console/nothing');
    expect(status).toBe(200);
    expect(text).toContain('Acknowledge 1 incident');
    expect(text).toContain(fleetNames.rejected);
  });

  it('of another organisation is not there', async () => {
    expect((await console.get(`/console/domains/${fleetNames.drift}`, { token: fernToken })).status).toBe(404);
    const probe = await console.post(`/console/domains/${fleetNames.drift}/probe`, {}, { token: fernToken });
    expect(probe.status).toBe(404);
    expect(console.queues.probes).toEqual([]);
  });

  it('is probed when an operator asks, not a viewer', async () => {
    const refused = await console.post(`/console/domains/${fleetNames.drift}/probe`, {}, { role: 'viewer' });
    expect(refused.status).toBe(403);
    expect((await console.get(`/console/domains/${fleetNames.drift}`, { role: 'viewer' })).text).toContain(
      'Probe now (needs operator)',
    );
    const asked = await console.post(`/console/domains/${fleetNames.drift}/probe`, {}, { role: 'operator' });
    expect([asked.status, asked.headers.get('location')]).toEqual([
      303,
      `/console/domains/${fleetNames.drift}?did=probe`,
    ]);
    expect(console.queues.probes).toHaveLength(1);
    expect((await console.get(asked.headers.get('location') ?? '')).text).toContain('A probe is on its way');
  });

  it('is given another failure policy by an admin alone', async () => {
    const path = `/console/domains/${fleetNames.breach}/policy`;
    expect((await console.post(path, { policy: 'hold' }, { role: 'operator' })).status).toBe(403);
    expect((await console.post(path, { policy: 'nosuch' })).status).toBe(400);
    expect((await console.get(path)).text).toContain('Keep standard');
    const set = await console.post(path, { policy: 'hold' });
    expect([set.status, set.headers.get('location')]).toEqual([303, `/console/domains/${fleetNames.breach}`]);
    expect((await console.get(path)).text).toContain('Keep hold');
  });

  it('calls a form that is too large what it is, and not a fault of the server', async () => {
    const answer = await console.post(`/console/domains/${fleetNames.drift}/policy`, { policy: 'x'.repeat(65_536) });
    expect([answer.status, answer.text.includes('The body is larger than 65536 bytes')]).toEqual([413, true]);
    expect(answer.html).toContain('<nav');
  });

  it('is not changed by a page of somebody else', async () => {
    const answer = await console.post(
      `/console/domains/${fleetNames.drift}/probe`,
      {},
      { headers: { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' } },
    );
    expect(answer.status).toBe(403);
  });
});

describe('the search', () => {
  it('leads straight to the one thing that is meant', async () => {
    const [event] = await console.db.orm.select({ id: events.id }).from(events).limit(1);
    for (const [asked, to] of [
      [fleetNames.drift, `/console/domains/${fleetNames.drift}`],
      ['CHECKOUT.Harbor.example.', `/console/domains/${fleetNames.drift}`],
      ['checkout.', `/console/domains/${fleetNames.drift}`],
      [event?.id ?? '', `/console/events/${event?.id}`],
      [refOf('old'), `/console/domains/${fleetNames.drift}`],
      [refOf('new').slice(7, 19), `/console/domains/${fleetNames.drift}`],
    ] as const) {
      const answer = await console.get(`/console/search?q=${encodeURIComponent(asked)}`);
      expect([asked, answer.status, answer.headers.get('location')]).toEqual([asked, 303, to]);
    }
  });

  it('has no signs in the name of its tab that turn the rest around', async () => {
    const { html } = await console.get(`/console/search?q=${encodeURIComponent('a\u202eb')}`);
    expect(/<title>[^<]*<\/title>/.exec(html)?.[0]).toMatch(/a b[^\u202e]* · notafter/);
  });

  it('lists what is more than one, and says when nothing is found', async () => {
    expect((await console.get('/console/search?q=api-1')).text).toContain('api-101.fern.example');
    expect((await console.get('/console/search?q=%3Cimg%20src%3Dx%3E')).text).toContain('Nothing was found');
  });

  it('finds nothing of other organisations', async () => {
    for (const asked of [fleetNames.drift, refOf('old'), 'checkout.']) {
      const answer = await console.get(`/console/search?q=${encodeURIComponent(asked)}`, { token: fernToken });
      expect([asked, answer.status]).toEqual([asked, 200]);
      expect(answer.text).toContain('Nothing was found');
    }
  });
});

describe('the regions', () => {
  it('are counted by status, each number leading to its list', async () => {
    const { html, text } = await console.get('/console/regions');
    expect(text).toContain('147 domains in 3 regions');
    expect(html).toContain('href="/console/domains?region=us-east&amp;status=tls_error"');
  });
});
