import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compactCounts } from '../../src/db/compact.ts';
import { readNotificationStats } from '../../src/db/notification-counts.ts';
import { auditLog } from '../../src/db/schema-access.ts';
import { notifications } from '../../src/db/schema-served.ts';
import { tokenRoutes } from '../../src/http/tokens.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { makeFleet, markup } from '../support/fleet.ts';

const now = Date.UTC(2026, 10, 21, 3, 12);
const path = '/console/notifications';

let console: TestConsole;
let harbor: string;
beforeAll(async () => {
  console = await createTestConsole(now, [tokenRoutes()]);
  await makeFleet(console.db, now);
  const body = { name: 'harbor ops', role: 'operator', orgId: 'harbor' };
  harbor = (await console.call<{ token: string }>('POST', '/v1/admin/tokens', { body })).body.token;
});
afterAll(() => console?.close());

const ids = (html: string): string[] =>
  [...html.matchAll(/<tr role="row"[^>]*data-id="([^"]+)"/g)].map(([, id = '']) => id);
const all = () => console.db.orm.select().from(notifications);
const deadOf = async (channel: string) =>
  (await all()).filter((row) => row.channel === channel && row.status === 'dead').map(({ id }) => id);

describe('the list of notifications', () => {
  it.each([
    ['', 6],
    ['?status=dead', 3],
    ['?status=failed', 1],
    ['?channel=pager-prod', 2],
    ['?class=renewal_sla_breach', 2],
    ['?domain=vpn.brook.example', 2],
    ['?orgId=brook', 2],
    ['?since=1h&status=dead&class=drift', 2],
    ['?until=2026-11-21T02:16:00Z', 3],
  ])('%s shows what it counts', async (query, wanted) => {
    const { status, html, text } = await console.get(path + query);
    expect(status).toBe(200);
    expect(ids(html)).toHaveLength(wanted);
    expect(text).toContain(`${wanted}, newest first`);
  });

  it('names what it does not know, and what is given twice', async () => {
    expect(await console.get(`${path}?sort=age`)).toMatchObject({ status: 400 });
    expect((await console.get(`${path}?sort=age`)).text).toContain('sort is not a known parameter');
    expect(await console.get(`${path}?status=lost`)).toMatchObject({ status: 400 });
    expect((await console.get(`${path}?since=55m`)).text).toContain('since must be');
  });

  it('names the channel that takes nothing', async () => {
    const { html, text } = await console.get(path);
    expect(/<title>(.*)<\/title>/.exec(html)?.[1]).toBe('Channel pager-prod takes nothing · notafter');
    expect(text).toContain('Channel “pager-prod” takes nothing since');
    expect(text).toContain('400 invalid routing key');
    expect(text).toContain('Retry 2/5');
  });

  it('keeps what strangers wrote text', async () => {
    const { html, text } = await console.get(`${path}?channel=webhook-fern`);
    expect(text).toContain(markup);
    expect(html.includes('<img')).toBe(false);
  });

  it('shows one organisation its own alone', async () => {
    const { html, text } = await console.get(path, { token: harbor });
    expect(text).not.toContain('vpn.brook.example');
    expect(ids(html)).toHaveLength(4);
    expect(await console.get(`${path}?orgId=brook`, { token: harbor })).toMatchObject({ status: 403 });
    const other = (await deadOf('webhook-fern'))[0] ?? '';
    expect(await console.get(`${path}/${other}`, { token: harbor })).toMatchObject({ status: 404 });
  });

  it('shows a viewer buttons that say why they do nothing', async () => {
    const { html } = await console.get(`${path}?status=dead`, { role: 'viewer' });
    expect(
      /<button[^>]*disabled[^>]*>(?:<svg.*?<\/svg>)?Requeue… <span class="why">\(needs operator\)/.test(html),
    ).toBe(true);
    expect(html.includes('href="/console/notifications/some/requeue')).toBe(false);
  });

  it('exports what the filters let through', async () => {
    const { html, headers } = await console.get(`${path}.csv?status=dead`);
    expect(headers.get('content-type')).toContain('text/csv');
    expect(html.trim().split('\r\n')).toHaveLength(4);
  });

  it('counts the same before and after the counts are folded', async () => {
    const before = await readNotificationStats(console.db, {});
    await compactCounts(console.db);
    expect(await readNotificationStats(console.db, {})).toEqual(before);
    expect(before).toEqual({ pending: 1, failed: 1, sent: 1, dead: 3 });
  });
});

describe('requeueing', () => {
  it('asks once, says how many, and needs a reason', async () => {
    const [one = '', two = ''] = await deadOf('pager-prod');
    const sheet = await console.get(`${path}/some/requeue?id=${one}&id=${two}`);
    expect(sheet.text).toContain('Requeue 2 notifications');
    expect(sheet.text).toContain('Send one first');
    const refused = await console.post(`${path}/some/requeue`, { ids: `${one},${two}`, expected: '2' });
    expect(refused).toMatchObject({ status: 400 });
    expect(refused.text).toContain('Say why');
    expect(await console.get(`${path}/some/requeue`)).toMatchObject({ status: 400 });
  });

  it('is refused to viewers, and to others than the organisation', async () => {
    const [other = ''] = await deadOf('webhook-fern');
    const fields = { ids: other, expected: '1', reason: 'mended' };
    expect(await console.post(`${path}/some/requeue`, fields, { role: 'viewer' })).toMatchObject({ status: 403 });
    expect(await console.post(`${path}/some/requeue`, fields, { token: harbor })).toMatchObject({ status: 409 });
    expect(await deadOf('webhook-fern')).toEqual([other]);
  });

  it('changes nothing when another number matches than was asked about', async () => {
    const answer = await console.post(`${path}/some/requeue`, {
      channel: 'pager-prod',
      expected: '6',
      reason: 'key set',
    });
    expect(answer).toMatchObject({ status: 409 });
    expect(answer.text).toContain('2 notifications match now, not 6: nothing was changed');
    expect(await deadOf('pager-prod')).toHaveLength(2);
  });

  it('sends one first, then asks about the others, and writes down who and why', async () => {
    const fields = { channel: 'pager-prod', expected: '2', reason: 'routing key set anew', first: 'true' };
    const answer = await console.post(`${path}/some/requeue`, fields);
    expect(answer.status).toBe(303);
    const next = answer.headers.get('location') ?? '';
    expect(await deadOf('pager-prod')).toHaveLength(1);
    expect(console.queues.deliveryKicks).toContain('pager-prod');
    const { text } = await console.get(next);
    expect(text).toContain('Requeue the 1 other');
    expect(text).toContain('Wait for its answer');
    const rest = { channel: 'pager-prod', expected: '1', reason: 'the first was taken' };
    const done = await console.post(`${path}/some/requeue`, rest);
    expect(await deadOf('pager-prod')).toEqual([]);
    const detail = await console.get(done.headers.get('location') ?? '');
    expect(detail.text).toMatch(/Requeued by admin .*the first was taken/);
    expect(detail.text).toContain('Try 1: failed');
    const rows = await console.db.orm.select().from(auditLog);
    expect(rows.filter(({ action }) => action === 'notification.requeue').map(({ reason }) => reason)).toEqual([
      'routing key set anew',
      'the first was taken',
    ]);
  });

  it('tries at once what waits for its next try', async () => {
    const [row] = (await all()).filter(({ status }) => status === 'failed');
    const answer = await console.post(`${path}/${row?.id}/requeue`, {}, { role: 'operator' });
    expect(answer.status).toBe(303);
    expect((await console.post(`${path}/${row?.id}/requeue`)).status).toBe(409);
  });
});
