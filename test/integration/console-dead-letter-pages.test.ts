import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenRoutes } from '../../src/http/tokens.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { makeFleet, markup } from '../support/fleet.ts';

const now = Date.parse('2026-11-21T03:12:00Z');
let console: TestConsole;
let brook: string;
/** An id of an event, by what it is. */
let ids: Readonly<Record<'internal' | 'invalid' | 'applied' | 'replayed', string>>;

const oneOf = async (where: string): Promise<string> => {
  const [row] = await console.db.sql.unsafe<{ id: string }[]>(
    `select id from certificate_lifecycle_events e where ${where} order by id limit 1`,
  );
  return row?.id ?? '';
};

beforeAll(async () => {
  console = await createTestConsole(now, [tokenRoutes()]);
  await makeFleet(console.db, now);
  const body = { name: 'brook', role: 'operator', orgId: 'brook' };
  brook = (await console.call<{ token: string }>('POST', '/v1/admin/tokens', { body })).body.token;
  ids = {
    internal: await oneOf(`status = 'failed' and error_class = 'internal'`),
    invalid: await oneOf(`status = 'failed' and error_class = 'invalid'`),
    applied: await oneOf(`status = 'applied'`),
    replayed: await oneOf(`exists (select from cert_event_replays r where r.event_id = e.id)`),
  };
});
afterAll(() => console.close());

const rowsOf = (html: string): string[] =>
  [...html.matchAll(/<tr role="row" data-id="([^"]+)"/g)].map(([, id]) => id ?? '');
const eventRows = (html: string): string[] => rowsOf(html).filter((id) => id.length === 36);
const auditOf = async (action: string) =>
  console.db.sql<{ actor: string; reason: string | null; after: unknown }[]>`
    select actor, reason, after from audit_log where action = ${action} order by seq desc`;

describe('the list of events', () => {
  it.each([
    ['', 50, '111 events'],
    ['?status=failed', 48, '48 events'],
    ['?status=failed&errorClass=unresolved', 7, '7 events'],
    ['?status=failed&errorClass=invalid', 1, '1 event'],
    ['?status=&source=&domain=', 50, '111 events'],
    ['?unresolved=true', 7, '7 events'],
    ['?source=cert-manager&clusterId=prod-eu', 7, '7 events'],
    ['?orgId=brook&status=failed', 40, '40 events'],
    ['?domain=kiosk.fern.example', 1, '1 event'],
    ['?eventType=renewal_failed', 2, '2 events'],
    ['?since=2026-11-21T03:12', 0, '0 events'],
    ['?until=2026-11-16T03:13', 1, '1 event'],
    ['?source=nobody', 0, '0 events'],
  ])('%s shows %i rows of %s', async (query, rows, total) => {
    const { status, html, text } = await console.get(`/console/events${query}`);
    expect(status).toBe(200);
    expect(eventRows(html)).toHaveLength(rows);
    expect(text).toContain(`${total}: `);
  });

  it('leads through all of it page by page, each event once', async () => {
    const seen: string[] = [];
    let path = '/console/events';
    for (let page = 0; page < 5 && path !== ''; page += 1) {
      const { html } = await console.get(path);
      seen.push(...eventRows(html));
      path = /href="([^"]+)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    }
    expect(seen).toHaveLength(111);
    expect(new Set(seen).size).toBe(111);
  });

  it('says what to do where it is empty', async () => {
    expect((await console.get('/console/events?source=nobody')).text).toContain('No events that match');
    expect((await console.get('/console/dead-letters?source=nobody')).text).toContain('No dead letters that match');
  });

  it.each(['events', 'dead-letters', 'replays'])(
    '%s is exported with its filters, and that is audited',
    async (list) => {
      const filter = list === 'replays' ? 'state=done' : 'errorClass=invalid';
      const { status, headers, html } = await console.get(`/console/${list}.csv?${filter}`, { role: 'viewer' });
      expect([status, headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
      expect(html.trim().split('\r\n')).toHaveLength(2);
      const [row] = await auditOf('list.export');
      expect(row).toMatchObject({ actor: 'viewer', after: Object.fromEntries([filter.split('=')]) });
    },
  );
});

describe('what a page refuses', () => {
  it.each([
    ['events?status=done', 400, 'status must be one of'],
    ['events?colour=red', 400, 'colour'],
    ['events?since=yesterday', 400, 'since must be'],
    ['events?since=2026-01-02T00:00&until=2026-01-01T00:00', 400, 'since must not be after until'],
    ['events?cursor=broken', 400, 'cursor is not one'],
    ['events/not-an-id', 400, 'id must be a UUID'],
    ['events/01890000-0000-7000-8000-000000000000', 404, 'no event with this id'],
    ['dead-letters?fingerprint=xyz', 400, 'fingerprint must be'],
    ['dead-letters?groups=broken', 400, 'cursor is not one'],
    ['replays?state=gone', 400, 'state must be one of'],
    ['replays/0', 400, 'must be the number of a replay'],
    ['replays/999', 404, 'no replay with this id'],
  ])('%s is %i', async (path, expected, words) => {
    const { status, text, html } = await console.get(`/console/${path}`);
    expect(status).toBe(expected);
    expect(text).toContain(words);
    expect(html).toContain('id="nav"');
  });

  it.each([
    ['replays/plan', 'viewer'],
    ['replays/1/execute', 'viewer'],
    ['replays/1/pause', 'viewer'],
    ['replays/1/resume', 'viewer'],
    ['replays/1/cancel', 'viewer'],
  ] as const)('POST %s from a %s', async (path, role) => {
    expect((await console.post(`/console/${path}`, { reason: 'x' }, { role })).status).toBe(403);
  });

  it('a replay without a reason', async () => {
    for (const path of [`events/${ids.internal}/replay`, 'replays/1/cancel', 'replays/1/execute']) {
      const { status, text } = await console.post(`/console/${path}`, { reason: ' ' }, { role: 'operator' });
      expect([status, text.includes('Say why')]).toEqual([400, true]);
    }
  });
});

describe('the page of an event', () => {
  it('begins with how it stands, and tells its tries', async () => {
    const { text, html } = await console.get(`/console/events/${ids.internal}`);
    expect(text).toMatch(/Gave up .* after 6 tries/);
    expect(text).toContain('Try 6 failed');
    expect(text).toContain('Committed and queued');
    expect(html).toContain(`bull-board/queue/cert-events/${ids.internal}-0`);
  });

  it('names who replayed it and why', async () => {
    const { text } = await console.get(`/console/events/${ids.replayed}`);
    expect(text).toContain('Replayed by dana “route table rebuilt”');
  });

  it.each(['events', 'dead-letters', 'replays', 'event'])('keeps what strangers wrote as text: %s', async (name) => {
    const path = name === 'event' ? `events/${ids.invalid}` : name === 'events' ? 'events?status=failed' : name;
    const { html, text } = await console.get(`/console/${path}`);
    expect(html).not.toMatch(/<img|<b>kiosk/);
    expect(text).toContain(name === 'dead-letters' ? '<img src=x' : markup);
  });

  it('shows what was sent as JSON, without what is named like a secret', async () => {
    const payload = { note: '</pre><script>1', apiToken: 'hunter2', url: 'https://me:pw@x.example', bidi: '\u202e' };
    await console.db.sql`update certificate_lifecycle_events set payload_json = ${JSON.stringify(payload)}::text::jsonb
      where id = ${ids.invalid}`;
    const { html, text } = await console.get(`/console/events/${ids.invalid}`);
    expect(text).toContain('"note": "</pre><script>1"');
    expect(text).toContain('\\u202e');
    expect(html).not.toMatch(/hunter2|me:pw|<script>1/);
  });

  it('replays it once more: force only where it is ticked', async () => {
    const path = `/console/events/${ids.applied}/replay`;
    expect((await console.get(path, { role: 'operator' })).text).toContain('Apply it again although it is applied');
    const refused = await console.post(path, { reason: 'again' }, { role: 'operator' });
    expect(refused.status).toBe(409);
    const done = await console.post(path, { reason: 'again', force: 'true', resetRetry: 'true' }, { role: 'operator' });
    expect([done.status, done.headers.get('location')]).toEqual([303, `/console/events/${ids.applied}`]);
    expect((await console.get(`/console/events/${ids.applied}`)).text).toContain('Replayed by operator “again”');
    expect((await auditOf('event.replay'))[0]).toMatchObject({ actor: 'operator', reason: 'again' });
  });
});

describe('dead letters', () => {
  it('are told by cause, with numbers that match their lists', async () => {
    const { html, text } = await console.get('/console/dead-letters');
    expect(text).toContain('48 events gave up, 3 kinds of error, 48 domains');
    const groups = rowsOf(html).filter((id) => id.length === 16);
    expect(groups).toHaveLength(3);
    const sizes = await Promise.all(
      groups.map(async (group) => {
        const page = await console.get(`/console/dead-letters?fingerprint=${group}`);
        return [eventRows(page.html).length, page.text.includes('1 kind of error')];
      }),
    );
    expect(sizes).toEqual([
      [40, true],
      [7, true],
      [1, true],
    ]);
    expect(text).toContain('Replay 1 is running');
    expect(text).toContain('Replay by policy is off');
  });

  it('are found by the end of a name, in groups and list alike', async () => {
    const { html, text } = await console.get('/console/dead-letters?domain=*.fern.example');
    expect(eventRows(html)).toHaveLength(8);
    expect(text).toContain('8 events gave up, 2 kinds of error');
  });

  it('lead to the registration of a domain that is missing', async () => {
    const path = '/console/dead-letters/register';
    expect((await console.get(path)).text).toContain('waiting for 7 domains');
    const done = await console.post(path, { domain: 'pos-1.fern.example', orgId: 'fern' }, { role: 'admin' });
    expect([done.status, done.headers.get('location')]).toEqual([303, '/console/domains/pos-1.fern.example']);
    expect((await auditOf('domain.create'))[0]).toMatchObject({ actor: 'admin' });
    expect((await console.post(path, { domain: 'pos-1.fern.example' }, { role: 'admin' })).status).toBe(409);
    expect((await console.post(path, { domain: 'x.fern.example' }, { role: 'operator' })).status).toBe(403);
  });

  it('show a viewer the buttons with the reason why not', async () => {
    const { html, text } = await console.get('/console/dead-letters', { role: 'viewer' });
    expect(text).toContain('Plan 40… (needs operator)');
    expect(html.slice(html.indexOf('id="groups"'))).not.toContain('type="submit" data-busy');
  });

  it('are those of its own organisation for somebody bound to one', async () => {
    const { text } = await console.get('/console/dead-letters', { token: brook });
    expect(text).toContain('40 events gave up, 1 kind of error');
    expect(text).not.toMatch(/fern\.example|Replay 1 is running|Replay by policy|Organisation/);
    expect((await console.get('/console/dead-letters?orgId=fern', { token: brook })).status).toBe(403);
    for (const path of [`events/${ids.invalid}`, `events/${ids.invalid}/replay`, 'replays/1'])
      expect((await console.get(`/console/${path}`, { token: brook })).status).toBe(404);
    const refused = await console.post(`/console/events/${ids.invalid}/replay`, { reason: 'x' }, { token: brook });
    expect(refused.status).toBe(404);
    expect((await console.post('/console/replays/1/pause', {}, { token: brook })).status).toBe(404);
  });
});

describe('a bulk replay', () => {
  const plan = async (fields: Readonly<Record<string, string>>): Promise<string> => {
    const { status, headers } = await console.post('/console/replays/plan', fields, { role: 'operator' });
    expect(status).toBe(303);
    return headers.get('location') ?? '';
  };

  it('is planned, asked about with its numbers, executed once, paused, resumed and cancelled', async () => {
    const address = await plan({ status: 'failed', errorClass: 'internal' });
    const { html, text } = await console.get(address, { role: 'operator' });
    expect(text).toContain('Replay 40 events');
    expect(text).toContain('good for 15 min. Nothing has changed yet.');
    expect(html).toMatch(/<input[^>]+name="reason"[^>]+required/);
    const fields = { reason: 'the directory is back', ratePerSecond: '20' };
    const done = await console.post(`${address}/execute`, fields, { role: 'operator' });
    expect([done.status, done.headers.get('location')]).toEqual([303, address]);
    expect((await auditOf('replay.execute'))[0]).toMatchObject({ actor: 'operator', reason: 'the directory is back' });
    expect((await console.get(address)).text).toContain('0 of 40 events done');
    expect((await console.get(address)).text).toContain('about 2 s at 20 a second');
    await console.post(`${address}/pause`, { back: 'dead-letters' }, { role: 'operator' });
    expect((await console.get(address)).text).toContain('Paused with 40 events left');
    await console.post(`${address}/resume`, {}, { role: 'operator' });
    expect((await console.get(`${address}/cancel`)).text).toContain('40 of 40 events have not been come to');
    await console.post(`${address}/cancel`, { reason: 'not yet' }, { role: 'operator' });
    expect((await console.get(address)).text).toContain('Cancelled with 40 events left as they were');
    expect((await auditOf('replay.cancel'))[0]).toMatchObject({ reason: 'not yet' });
    expect((await console.get('/console/replays')).text).toContain('“the directory is back”');
  });

  it('takes the ticked rows', async () => {
    const address = await plan({ id: ids.internal });
    expect((await console.get(address)).text).toContain('1 chosen by hand');
    expect((await console.get(address)).text).toContain('Replay 1 event');
  });

  it('cannot be executed once its 15 minutes are over', async () => {
    const address = await plan({ status: 'failed' });
    console.setNow(now + 16 * 60_000);
    const { text, html } = await console.get(address);
    expect(text).toContain('has expired');
    expect(html).toContain('action="/console/replays/plan"');
    expect((await console.post(`${address}/execute`, { reason: 'late' })).status).toBe(409);
    console.setNow(now);
  });

  it('of nothing has no button', async () => {
    const address = await plan({ status: 'failed', source: 'nobody' });
    const { text, html } = await console.get(address);
    expect(text).toContain('Nothing to replay');
    expect(html).not.toContain('/execute');
  });
});
