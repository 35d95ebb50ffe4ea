import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CounterName, readCounters } from '../../src/db/counters.ts';
import { claimDueNotices, type Claimed, saveTried, type Tried } from '../../src/db/deliveries.ts';
import { customDomains, incidents, tunnels } from '../../src/db/schema.ts';
import { loadDue } from '../../src/db/settle.ts';
import { notificationRoutes } from '../../src/http/notifications.ts';
import type { Delivery } from '../../src/lifecycle/delivery.ts';
import { afterTry } from '../../src/lifecycle/delivery.ts';
import type { FiringAlert, Notice } from '../../src/lifecycle/notice.ts';
import type { ChannelTraits, Routing } from '../../src/lifecycle/notify-routes.ts';
import type { Channel } from '../../src/notify/channel.ts';
import { deliverer, refreshAlerts } from '../../src/processors/deliver.ts';
import { settler } from '../../src/processors/settle.ts';
import type { WorkTools } from '../../src/processors/tools.ts';
import { createTestApi, domainOf, incidentOf, type TestApi } from '../support/api.ts';
import { waitFor } from '../support/wait.ts';

const start = Date.UTC(2026, 4, 1);
const second = 1000;
const alerting: ChannelTraits = { kinds: ['alert'], resolves: true };

/** A channel that answers as it is told to, and keeps what it was given. */
class Told implements Channel {
  readonly type = 'webhook';
  readonly kinds = alerting.kinds;
  readonly resolves = true;
  readonly sent: string[] = [];
  readonly refreshed: string[] = [];
  answer: Delivery = { kind: 'sent', status: 200, snippet: null };
  /** What happens while the notice of this number is on its way. */
  meanwhile: (sent: number) => Promise<unknown> = () => sleep(1);
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  readonly send = async ({ domain, action }: Notice): Promise<Delivery> => {
    this.sent.push(`${action} ${String(domain)}`);
    await this.meanwhile(this.sent.length);
    return this.answer;
  };
  readonly refresh = async (firing: readonly FiringAlert[]): Promise<Delivery> => {
    this.refreshed.push(...firing.map(({ domain, alertKey }) => domain ?? alertKey));
    return this.answer;
  };
}

let api: TestApi;
let chat: Told;
let pager: Told;
let tools: Pick<WorkTools, 'notify' | 'random' | 'stopping'>;
beforeAll(async () => {
  api = await createTestApi([notificationRoutes()], start);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db
    .sql`truncate certificate_notifications, notification_attempts, certificate_alerts, certificate_incidents, counters, custom_domains, domain_clocks`;
  api.setNow(start);
  api.queues.deliveryKicks.length = 0;
  [chat, pager] = [new Told('chat'), new Told('pager')];
  const channels = new Map([chat, pager].map((channel) => [channel.name, channel]));
  const routing: Routing = { channels, always: ['chat', 'pager'], routes: [] };
  tools = {
    notify: { channels, routing },
    stopping: new AbortController().signal,
    random: () => 0.5,
  };
});

const refused: Delivery = { kind: 'refused', status: 404, snippet: null, error: 'the receiver answered 404' };
const busy: Delivery = {
  kind: 'retry',
  status: 503,
  snippet: null,
  error: 'the receiver answered 503',
  retryAfterMs: null,
};

/** Registers domains that are about to expire, due for a look. */
const registerExpiring = async (...names: string[]): Promise<void> => {
  const tunnel = uuidv7();
  await api.db.orm.insert(tunnels).values({ id: tunnel, org_id: tunnel, region: 'eu' });
  const values = {
    target_tunnel_id: tunnel,
    cert_last_event_type: 'certificate_expiring' as const,
    cert_last_event_at: new Date(start),
    cert_last_event_id: uuidv7(),
    look_due_at: new Date(start),
  };
  await api.db.orm.insert(customDomains).values(names.map((domain) => domainOf({ domain, ...values })));
};
const expiring = async (...names: string[]): Promise<void> => {
  await registerExpiring(...names);
  await settlePass();
};
const settlePass = () => settler(api.ctx, tools)();
const deliver = (channel: string) => deliverer(api.ctx, tools)({ channel });
const later = (ms: number): void => api.setNow(api.ctx.now() + ms);
/** Has an alert fire, and be told to the pager again after the cooldown, which takes neither notice. */
const refusedTwice = async (): Promise<void> => {
  pager.answer = refused;
  await expiring('a.example');
  await deliver('pager');
  later(1800 * second);
  await settlePass();
  await deliver('pager');
};
const alertsNow = () =>
  api.db.sql<{ count: number; channels: string[] }[]>`
    select alert_count as count, channels from certificate_alerts order by key`;
const statuses = async (channel: string): Promise<string[]> => {
  const rows = await api.db.sql<{ status: string }[]>`
    select status from certificate_notifications where channel = ${channel} order by seq`;
  return rows.map(({ status }) => status);
};
const counter = async (name: CounterName, labels: Readonly<Record<string, string>> = {}): Promise<number> => {
  const wanted = JSON.stringify(labels);
  const found = (await readCounters(api.db)).find((one) => one.name === name && JSON.stringify(one.labels) === wanted);
  return found?.value ?? 0;
};

describe('the settle pass', () => {
  it('waits for nothing that belongs to a domain which somebody else has locked', async () => {
    await registerExpiring('taken.example', 'free.example');
    const rows = await api.db.sql<{ id: string; domain: string }[]>`select id, domain from custom_domains`;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    await api.db.orm
      .insert(incidents)
      .values(rows.map(({ id, domain }) => incidentOf(start, { domain, domain_id: id })));
    const other = api.db.sql.begin(async (tx) => {
      await tx`select from custom_domains where domain = 'taken.example' for update`;
      await tx`select from certificate_incidents where domain = 'taken.example' for update`;
      take();
      await released;
    });
    await taken;
    try {
      const due = await api.db.sql.begin(async (tx) => {
        await tx`set local lock_timeout = '2s'`;
        return loadDue(
          tx,
          rows.map(({ id }) => id),
          { now: start, since: start },
        );
      });
      expect(due.map((one) => [one.domain.domain, one.incidents.length])).toEqual([['free.example', 1]]);
    } finally {
      release();
      await other;
    }
  });
});

describe('settling', () => {
  it('settles what is due once, and takes another look when a reminder is due', async () => {
    await expiring('a.example', 'b.example');
    expect(await statuses('chat')).toEqual(['pending', 'pending']);
    expect(new Set(api.queues.deliveryKicks)).toEqual(new Set(['chat', 'pager']));
    expect(await settlePass()).toMatchObject({ note: { domains: 0 } });
    later(1800 * second);
    expect(await settlePass()).toMatchObject({ note: { domains: 2 } });
    expect(await statuses('chat')).toHaveLength(4);
  });

  it('has two passes at once say everything once', async () => {
    const names = Array.from({ length: 1200 }, (_, index) => `d${index}.example`);
    await registerExpiring(...names);
    // Of two processes with clocks of their own: what both decide would have two ids.
    const elsewhere = { ...api.ctx, now: () => api.ctx.now() + 1 };
    await Promise.all([settlePass(), settler(elsewhere, tools)()]);
    expect(await statuses('chat')).toHaveLength(names.length);
  });

  it('takes one place at a time in a process, and looks again after what it was asked for meanwhile', async () => {
    await registerExpiring('taken.example');
    const pass = settler(api.ctx, tools);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { promise: taken, resolve: take } = Promise.withResolvers<void>();
    const other = api.db.sql.begin(async (tx) => {
      await tx`select from custom_domains where domain = 'taken.example' for update`;
      take();
      await released;
    });
    await taken;
    const kicks = api.queues.settleKicks;
    const first = pass();
    expect(await pass()).toEqual({ kind: 'done', note: { busy: true } });
    release();
    await other;
    expect(await first).toMatchObject({ note: { domains: 1 } });
    expect(api.queues.settleKicks).toBe(kicks + 1);
    expect(await pass()).toMatchObject({ note: { domains: 0 } });
  });
});

describe('delivering', () => {
  it('counts an alert that nobody took as not sent, and tells no channel the end that never heard of it', async () => {
    chat.answer = refused;
    pager.answer = refused;
    await expiring('a.example');
    await deliver('chat');
    expect(await alertsNow()).toEqual([{ count: 1, channels: ['pager'] }]);
    await deliver('pager');
    expect(await alertsNow()).toEqual([{ count: 0, channels: [] }]);
    expect(await counter('certctl_notification_dead_total')).toBe(2);
    expect(await counter('fdt_cert_notifications_total', { channel: 'chat', result: 'dead' })).toBe(1);
    expect(await counter('fdt_cert_alerts_sent_total')).toBe(0);

    later(1800 * second);
    [chat.answer, pager.answer] = [{ kind: 'sent', status: 200, snippet: null }, refused];
    await settlePass();
    await deliver('chat');
    await deliver('pager');
    expect(await alertsNow()).toEqual([{ count: 1, channels: ['chat'] }]);
    expect(await counter('fdt_cert_alerts_sent_total')).toBe(1);
  });

  it('tells the end to a channel that heard of it late, by a requeue', async () => {
    pager.answer = refused;
    await expiring('a.example');
    await deliver('pager');
    expect(await alertsNow()).toEqual([{ count: 1, channels: ['chat'] }]);
    pager.answer = { kind: 'sent', status: 200, snippet: null };
    const answer = await api.call('POST', '/v1/admin/notifications/requeue', { role: 'operator', body: {} });
    expect(answer.body).toMatchObject({ ok: true, dryRun: false, attempted: 1, requeued: 1 });
    await deliver('pager');
    expect(await alertsNow()).toEqual([{ count: 1, channels: ['chat', 'pager'] }]);
  });

  it('tells the end, once, to a channel that heard of an alert by a requeue when it was over already', async () => {
    await refusedTwice();
    await api.db
      .sql`update custom_domains set cert_last_event_type = 'renewal_succeeded', look_due_at = to_timestamp(${start} / 1000.0)`;
    await settlePass();
    expect(await alertsNow()).toEqual([]);
    pager.answer = { kind: 'sent', status: 200, snippet: null };
    pager.sent.length = 0;
    await api.call('POST', '/v1/admin/notifications/requeue', { role: 'operator', body: {} });
    await deliver('pager');
    await deliver('pager');
    expect(pager.sent).toEqual(['fire a.example', 'fire a.example', 'resolve a.example']);
    expect(await statuses('pager')).toEqual(['sent', 'sent', 'sent']);
  });

  it('has a channel count as not told whose late notices are followed by an end, though the alert fires anew', async () => {
    const last = (type: string) =>
      api.db
        .sql`update custom_domains set cert_last_event_type = ${type}, look_due_at = to_timestamp(${start} / 1000.0)`;
    await refusedTwice();
    await last('renewal_succeeded');
    await settlePass();
    pager.answer = { kind: 'sent', status: 200, snippet: null };
    pager.sent.length = 0;
    await api.call('POST', '/v1/admin/notifications/requeue', { role: 'operator', body: {} });
    pager.meanwhile = async (sent) => {
      if (sent !== 2) return;
      await last('certificate_expiring');
      await settlePass();
    };
    await deliver('pager');
    await deliver('pager');
    expect(pager.sent).toEqual(['fire a.example', 'fire a.example', 'resolve a.example']);
    const [alert] = await alertsNow();
    expect(alert?.channels).not.toContain('pager');
    later(1800 * second);
    await settlePass();
    await deliver('pager');
    expect(pager.sent.at(-1)).toBe('fire a.example');
  });

  it('waits with what follows while an earlier notice of the alert is not delivered', async () => {
    chat.answer = busy;
    await expiring('a.example', 'b.example');
    await deliver('chat');
    later(1800 * second);
    await settlePass();
    await api.db
      .sql`update certificate_notifications set next_attempt_at = ${new Date(api.ctx.now() + 1000).toISOString()} where status = 'failed'`;
    chat.sent.length = 0;
    await deliver('chat');
    expect(chat.sent).toEqual([]);
    later(2000);
    chat.answer = { kind: 'sent', status: 200, snippet: null };
    await deliver('chat');
    expect(await statuses('chat')).toEqual(['sent', 'sent', 'sent', 'sent']);
    expect(chat.sent).toHaveLength(4);
  });

  it('lends a row to one run only, until the lease ends', async () => {
    await expiring('a.example');
    const claim = () => claimDueNotices(api.db, 'chat', { now: api.ctx.now(), limit: 16, leaseMs: 30_000 });
    const both = await Promise.all([claim(), claim()]);
    expect(both.flat()).toHaveLength(1);
    later(30_000);
    expect(await claim()).toHaveLength(1);
  });

  it('takes the outcome of a run that lost its lease for nothing but a try', async () => {
    await expiring('a.example');
    const claim = async (): Promise<Claimed[]> =>
      claimDueNotices(api.db, 'chat', { now: api.ctx.now(), limit: 16, leaseMs: 30_000 });
    const [slow] = await claim();
    later(30_000);
    const [quick] = await claim();
    const end = (row: Claimed | undefined, delivery: Delivery): Tried[] =>
      row === undefined
        ? []
        : [
            {
              row,
              delivery,
              after: afterTry(row.tries + 1, delivery, api.ctx.now(), 0.5),
              at: api.ctx.now(),
              durationMs: 5,
            },
          ];
    await saveTried(api.db, end(quick, { kind: 'sent', status: 200, snippet: null }), api.ctx.now());
    await saveTried(api.db, end(slow, refused), api.ctx.now());
    expect(await statuses('chat')).toEqual(['sent']);
    expect(await counter('fdt_cert_alerts_sent_total')).toBe(1);
    expect(await counter('certctl_notification_dead_total')).toBe(0);
    const [attempts] = await api.db.sql`select count(*)::int as n from notification_attempts`;
    expect(attempts).toEqual({ n: 2 });
  });

  it('joins a run of the same channel, which then looks once more', async () => {
    await expiring('a.example');
    const run = deliverer(api.ctx, tools);
    const outcomes = await Promise.all([run({ channel: 'chat' }), run({ channel: 'chat' })]);
    expect(outcomes).toMatchObject([{ note: { tried: 1 } }, { note: { joined: true } }]);
  });

  it('gives back at once what it has not begun when it is told to stop', async () => {
    const names = Array.from({ length: 16 }, (_, index) => `s${index}.example`);
    await expiring(...names);
    const stopping = new AbortController();
    const stopped = { ...tools, stopping: stopping.signal };
    const run = deliverer(api.ctx, stopped)({ channel: 'chat' });
    await waitFor(() => chat.sent.length > 0, { intervalMs: 1, what: 'the first' });
    stopping.abort();
    await run;
    const [left] = await api.db.sql<{ due: number; sent: number }[]>`
      select count(*) filter (where next_attempt_at <= to_timestamp(${api.ctx.now()} / 1000.0))::int as due,
        count(*) filter (where status = 'sent')::int as sent
      from certificate_notifications where channel = 'chat'`;
    expect(left?.sent).toBe(chat.sent.length);
    expect((left?.due ?? 0) + (left?.sent ?? 0)).toBe(names.length);
  });

  it('gives up what waits for a channel that is configured no more, after a while', async () => {
    await expiring('a.example');
    await api.db.sql`update certificate_notifications set channel = 'gone' where channel = 'chat'`;
    await deliver('gone');
    expect(await statuses('gone')).toEqual(['pending']);
    later(601 * second);
    await deliver('gone');
    expect(await statuses('gone')).toEqual(['dead']);
    const { body } = await api.call('GET', '/v1/admin/notifications?status=dead', { role: 'viewer' });
    expect(body).toMatchObject({
      notifications: [{ last_error: expect.stringContaining('not configured any more'), channel: 'gone' }],
      stats: { pending: 0, failed: 0, sent: 0, dead: 1 },
    });
  });
});

describe('telling again what fires', () => {
  it('goes through all alerts, and stops at a receiver that is down', async () => {
    const names = Array.from({ length: 1100 }, (_, index) => `r${index}.example`);
    await expiring(...names);
    expect(await refreshAlerts(api.ctx, tools)).toMatchObject({ note: { told: 2200 } });
    expect(new Set(chat.refreshed)).toEqual(new Set(names));
    chat.answer = busy;
    pager.refreshed.length = 0;
    expect(await refreshAlerts(api.ctx, tools)).toMatchObject({ note: { told: 1100 } });
    expect(pager.refreshed).toHaveLength(1100);
  });
});

describe('the API', () => {
  const id = '01890000-0000-7000-8000-000000000000';
  it.each([
    ['GET', '', null, 401],
    ['GET', '', 'viewer', 200],
    ['GET', '?status=lost', 'viewer', 400],
    ['GET', '?class=rain', 'viewer', 400],
    ['GET', '?limit=501', 'viewer', 400],
    ['GET', '?cursor=x', 'viewer', 400],
    ['GET', '?since=yesterday', 'viewer', 400],
    ['GET', '?color=red', 'viewer', 400],
    ['GET', `/${id}`, 'viewer', 404],
    ['GET', '/x', 'viewer', 400],
    ['POST', `/${id}/requeue`, 'viewer', 403],
    ['POST', `/${id}/requeue`, 'operator', 404],
    ['POST', '/requeue', 'viewer', 403],
    ['POST', '/requeue', 'operator', 200],
  ] as const)('%s %s as %s is %i', async (method, path, role, status) => {
    expect((await api.call(method, `/v1/admin/notifications${path}`, { role })).status).toBe(status);
  });

  it.each([
    { status: 'sent' },
    { limit: 0 },
    { limit: 1001 },
    { dryRun: 'yes' },
    { since: 'yesterday' },
    { channel: '' },
    { all: true },
  ])('refuses to requeue by %o', async (body) => {
    expect((await api.call('POST', '/v1/admin/notifications/requeue', { body })).status).toBe(400);
  });

  it('pages through all, the newest first, and requeues by filter', async () => {
    chat.answer = refused;
    await expiring(...Array.from({ length: 25 }, (_, index) => `p${index}.example`));
    await deliver('chat');
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const at: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await api.call<{ notifications: { id: string }[]; nextCursor: string | null }>(
        'GET',
        `/v1/admin/notifications?limit=7${at}`,
      );
      seen.push(...body.notifications.map((one) => one.id));
      cursor = body.nextCursor;
    } while (cursor !== null && seen.length < 200);
    const rows = await api.db.sql<{ id: string }[]>`select id from certificate_notifications order by seq desc`;
    expect(seen).toEqual(rows.map((one) => one.id));

    const filter = { class: 'expiring', until: start + 1, limit: 10 };
    const dry = await api.call('POST', '/v1/admin/notifications/requeue', { body: { ...filter, dryRun: true } });
    expect(dry.body).toMatchObject({ dryRun: true, attempted: 10, requeued: 0 });
    const done = await api.call('POST', '/v1/admin/notifications/requeue', { body: filter });
    expect(done.body).toEqual({ ...dry.body, dryRun: false, requeued: 10 });
    const none = await api.call('POST', '/v1/admin/notifications/requeue', { body: { since: start + 1 } });
    expect(none.body).toMatchObject({ attempted: 0, ids: [] });
  });
});
