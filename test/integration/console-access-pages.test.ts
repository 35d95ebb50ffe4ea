import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig, settingsOf } from '../../src/config.ts';
import { auditLog } from '../../src/db/schema-access.ts';
import { incidents } from '../../src/db/schema.ts';
import { tokenRoutes } from '../../src/http/tokens.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { makeFleet, markup } from '../support/fleet.ts';

const now = Date.UTC(2026, 10, 21, 3, 12);

let console: TestConsole;
let harbor: string;
let harborAdmin: string;
const tokenFor = async (name: string, role: string): Promise<string> =>
  (await console.call<{ token: string }>('POST', '/v1/admin/tokens', { body: { name, role, orgId: 'harbor' } })).body
    .token;

beforeAll(async () => {
  console = await createTestConsole(now, [tokenRoutes()]);
  await makeFleet(console.db, now);
  harbor = await tokenFor('harbor ops', 'operator');
  harborAdmin = await tokenFor('harbor boss', 'admin');
});
afterAll(() => console?.close());

const rowIds = (html: string): string[] =>
  [...html.matchAll(/<tr role="row"[^>]*data-id="([^"]+)"/g)].map(([, id = '']) => id);
const audited = async (action: string) =>
  (await console.db.orm.select().from(auditLog)).filter((row) => row.action === action);

describe('the list of incidents', () => {
  it.each([
    ['', 3],
    ['?status=all', 5],
    ['?status=acknowledged', 1],
    ['?status=all&type=certificate_drift', 2],
    ['?tier=3', 1],
    ['?status=all&domain=checkout.harbor.example', 2],
    ['?status=all&source=lego&clusterId=eu-edge-1', 2],
    ['?status=all&orgId=brook', 1],
  ])('%s shows what it counts', async (query, wanted) => {
    const { status, html, text } = await console.get(`/console/incidents${query}`);
    expect(status).toBe(200);
    expect(rowIds(html)).toHaveLength(wanted);
    expect(text).toContain(`${wanted}, newest first`);
  });

  it.each(['tier=4', 'status=gone', 'colour=red'])('names what is wrong with ?%s', async (query) => {
    const { status, text } = await console.get(`/console/incidents?${query}`);
    expect(status).toBe(400);
    expect(text).toContain(query.split('=')[0]);
  });

  it('shows one organisation its own alone, and no sources', async () => {
    const { html, text } = await console.get('/console/incidents?status=all', { token: harbor });
    expect(rowIds(html)).toHaveLength(3);
    expect(text).not.toContain('brook');
    expect(html.includes('/console/sources')).toBe(false);
    const [other] = (await console.db.orm.select().from(incidents)).filter(({ org_id }) => org_id === 'brook');
    expect(await console.get(`/console/incidents/${other?.id}`, { token: harbor })).toMatchObject({ status: 404 });
    const act = await console.post('/console/incidents/some/resolve', { ids: other?.id ?? '' }, { token: harbor });
    expect(act.status).toBe(404);
  });

  it('keeps what strangers wrote text', async () => {
    const { html, text } = await console.get('/console/incidents?type=tls_error');
    expect(text).toContain(markup);
    expect(html.includes('<img')).toBe(false);
  });

  it('exports what the filters let through', async () => {
    const { html } = await console.get('/console/incidents.csv?status=all&orgId=harbor');
    expect(html.trim().split('\r\n')).toHaveLength(4);
  });
});

describe('acting on incidents', () => {
  it('acknowledges some with a note, and says who was first', async () => {
    const open = (await console.db.orm.select().from(incidents)).filter(({ status }) => status === 'open');
    const ids = open.slice(0, 2).map(({ id }) => id);
    const sheet = await console.get(`/console/incidents/some/ack?${ids.map((id) => `id=${id}`).join('&')}`);
    expect(sheet.text).toContain('Acknowledge 2 incidents');
    const fields = { ids: ids.join(','), note: 'with the edge team' };
    expect(await console.post('/console/incidents/some/ack', fields, { role: 'viewer' })).toMatchObject({
      status: 403,
    });
    const done = await console.post('/console/incidents/some/ack', fields, { role: 'operator' });
    expect(done.headers.get('location')).toBe('/console/incidents?act=ack&changed=2&skipped=0');
    expect((await audited('incident.acknowledge')).map(({ reason }) => reason)).toEqual(Array(2).fill(fields.note));
    const again = await console.post('/console/incidents/some/ack', fields, { role: 'operator' });
    const { text } = await console.get(again.headers.get('location') ?? '');
    expect(text).toContain('0 incidents acknowledged, 2 left as they were');
    const detail = await console.get(`/console/incidents/${ids[0]}`);
    expect(detail.text).toMatch(/Acknowledged by operator with the edge team/);
  });

  it('resolves one', async () => {
    const [open] = (await console.db.orm.select().from(incidents)).filter(({ status }) => status === 'open');
    await console.post('/console/incidents/some/resolve', { ids: open?.id ?? '', note: '' });
    const { text } = await console.get(`/console/incidents/${open?.id}`);
    expect(text).toContain('Resolved by admin');
    expect(await console.get('/console/incidents/some/ack')).toMatchObject({ status: 400 });
  });
});

describe('sources', () => {
  it('are listed with what they sent and how often they failed', async () => {
    const { text, html } = await console.get('/console/sources');
    expect(rowIds(html)).toEqual(['cert-manager:prod-eu', 'certbot:eu-edge-2', 'lego:eu-edge-1']);
    expect(text).toContain('3 senders of events, none silent');
    expect(rowIds((await console.get('/console/sources?source=lego')).html)).toHaveLength(1);
    expect(await console.get('/console/sources?colour=red')).toMatchObject({ status: 400 });
    expect(await console.get('/console/sources', { token: harbor })).toMatchObject({ status: 403 });
  });

  it('that fell silent are named first', async () => {
    await console.db
      .sql`update cert_sources set last_seen_at = to_timestamp(${now / 1000 - 2 * 86_400}) where source = 'cert-manager'`;
    const { text } = await console.get('/console/sources');
    expect(text).toContain('Cert-manager:prod-eu is silent for 2 d');
    expect(text).toContain('1 silent against its own rhythm');
  });
});

describe('the audit log', () => {
  it('shows who changed what, from what to what', async () => {
    const { text, html } = await console.get('/console/audit?action=incident.acknowledge');
    expect(rowIds(html)).toHaveLength(2);
    expect(text).toContain('status : open → acknowledged');
    expect(text).toContain('with the edge team');
  });

  it('is narrowed, exported and checked', async () => {
    const { text } = await console.get('/console/audit?actor=operator&since=1h&objectType=incident');
    expect(text).toContain('2, newest first');
    expect(await console.get('/console/audit?action=lost')).toMatchObject({ status: 400 });
    const lines = (await console.get('/console/audit.ndjson?action=incident.acknowledge')).html.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).actor)).toEqual(['operator', 'operator']);
    expect((await console.get('/console/audit.csv?action=token.create')).html.trim().split('\r\n')).toHaveLength(3);
    expect((await console.get('/console/audit-check')).text).toContain('The audit log fits together');
  });

  it('is for operators, and of one organisation for those bound to it', async () => {
    expect(await console.get('/console/audit', { role: 'viewer' })).toMatchObject({ status: 403 });
    expect((await console.get('/console', { role: 'viewer' })).html.includes('/console/audit')).toBe(false);
    const own = await console.get('/console/audit', { token: harbor });
    expect(own.text).not.toContain('with the edge team, brook');
    expect(own.html.includes('audit-check')).toBe(false);
    expect(await console.get('/console/audit-check', { token: harbor })).toMatchObject({ status: 403 });
  });
});

describe('tokens', () => {
  it('are made, shown once, used and revoked', async () => {
    const made = await console.post('/console/tokens', {
      name: 'pager bot',
      role: 'viewer',
      days: '30',
      orgId: 'fern',
    });
    const token = /data-copy="([^"]+)"/.exec(made.html)?.[1] ?? '';
    expect(token.length).toBeGreaterThan(40);
    // What the address gives to whoever asks again is the list: the page with the token does not follow it.
    expect(made.html).not.toContain('id="live"');
    const list = await console.get('/console/tokens');
    expect(list.html).toContain('id="live"');
    expect(list.text).toContain('pager bot');
    expect(list.html.includes(token)).toBe(false);
    expect(await console.get('/console/incidents', { token })).toMatchObject({ status: 200 });
    const { tokens } = (await console.call<{ tokens: { id: string; name: string }[] }>('GET', '/v1/admin/tokens')).body;
    const id = tokens.find(({ name }) => name === 'pager bot')?.id;
    expect((await console.get(`/console/tokens/${id}/revoke`)).text).toContain('Revoke the token “pager bot”');
    expect(await console.post(`/console/tokens/${id}/revoke`, {})).toMatchObject({ status: 400 });
    expect(await console.post(`/console/tokens/${id}/revoke`, { reason: 'left' })).toMatchObject({ status: 303 });
    expect(await console.get('/console/incidents', { token })).toMatchObject({ status: 303 });
    expect((await audited('token.revoke')).map(({ reason }) => reason)).toEqual(['left']);
  });

  it('are for admins, and of the own organisation for those bound to it', async () => {
    expect(await console.get('/console/tokens', { role: 'operator' })).toMatchObject({ status: 403 });
    const own = await console.get('/console/tokens', { token: harborAdmin });
    expect(own.text).toContain('harbor ops');
    expect(own.text).not.toContain('pager bot');
    const fields = { name: 'x', role: 'viewer', days: '', orgId: 'fern' };
    expect(await console.post('/console/tokens', fields, { token: harborAdmin })).toMatchObject({ status: 403 });
    expect(await console.post('/console/tokens', { ...fields, name: '' })).toMatchObject({ status: 400 });
  });
});

describe('sessions and the account', () => {
  it('shows everybody their own, admins all, and ends them', async () => {
    expect((await console.get('/console/sessions', { role: 'viewer' })).text).toContain('1 browser signed in as you');
    const all = await console.get('/console/sessions');
    const mine = rowIds((await console.get('/console/sessions', { role: 'viewer' })).html)[0] ?? '';
    expect(rowIds(all.html).length).toBeGreaterThan(2);
    const others = rowIds(all.html).find((id) => id !== mine) ?? '';
    expect(await console.post(`/console/sessions/${others}/end`, {}, { role: 'viewer' })).toMatchObject({
      status: 404,
    });
    expect(await console.post(`/console/sessions/${mine}/end`)).toMatchObject({ status: 303 });
    expect(await console.get('/console/account', { role: 'viewer' })).toMatchObject({ status: 303 });
  });

  it('keeps how the console looks in a cookie that holds nothing else', async () => {
    const fields = { theme: 'dark', density: 'compact', zone: 'Europe/Berlin' };
    const { status, headers } = await console.post('/console/account', fields);
    expect(status).toBe(303);
    const cookie = headers.get('set-cookie') ?? '';
    expect(decodeURIComponent(cookie)).toContain(
      'theme=dark&density=compact&keys=off&zone=Europe/Berlin'.replace('/', '%2F'),
    );
    expect(await console.post('/console/account', { ...fields, zone: 'Mars/Base' })).toMatchObject({ status: 400 });
  });
});

describe('settings', () => {
  it('say what is set, from where, and never a secret', async () => {
    const { html, text } = await console.get('/console/settings', { role: 'operator' });
    expect(text).toContain('No event is let in');
    expect(text).toMatch(/CERT_ADMIN_TOKENS .*? set, not shown environment/);
    expect(html.includes('token-of-the-test')).toBe(false);
    expect(await console.get('/console/settings', { token: harbor })).toMatchObject({ status: 403 });
  });

  it('say how long things are kept, and what was removed', async () => {
    await console.db.sql`
      insert into retention_walks (name, finished_at, removed)
      values ('events', to_timestamp(${now / 1000 - 3600}), 3), ('noted_events', to_timestamp(${now / 1000}), 1200)`;
    const { text } = await console.get('/console/settings', { role: 'operator' });
    expect(text).toMatch(/Events, applied and outdated 400 days 1,203 1 h ago/);
    expect(text).toMatch(/Identities of removed events for ever 0 –/);
  });

  it('hide every value that could hold a secret', () => {
    const canary = 'canary-0123456789';
    const env = {
      DATABASE_URL: `postgres://user:${canary}@localhost/db`,
      REDIS_URL: `redis://:${canary}@localhost`,
      CERT_EVENT_INGEST_TOKEN: canary,
      CERT_EVENT_SOURCE_KEYS: `lego:eu=${canary}`,
      CERT_ADMIN_TOKENS: `a:viewer:${canary}`,
      CERT_ALERT_WEBHOOK_URL: `https://hooks.example/${canary}`,
      CERT_ALERT_WEBHOOK_SECRET: canary,
      CERT_RUNBOOK_WEBHOOK_URL: `https://hooks.example/${canary}`,
      CERT_RUNBOOK_SIGNING_SECRET: canary,
      CERT_AUDIT_SIGNING_SECRET: canary,
      NOTAFTER_OIDC_ISSUER: 'https://id.example',
      NOTAFTER_OIDC_CLIENT_ID: 'notafter',
      NOTAFTER_OIDC_CLIENT_SECRET: canary,
      NOTAFTER_OIDC_ROLES: 'ops=operator',
      NOTAFTER_PUBLIC_URL: 'https://certs.example',
    };
    const settings = settingsOf(parseConfig(env, () => ''));
    expect(JSON.stringify(settings)).not.toContain(canary);
    expect(settings.filter(({ name }) => name in env).every(({ origin }) => origin === 'environment')).toBe(true);
    expect(settings.find(({ name }) => name === 'PORT')).toMatchObject({ origin: 'default', text: '8080' });
  });
});
