import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  bulkRequeueAnswer,
  notificationDetail,
  notificationList,
  requeueAnswer,
} from '../../src/http/notification-answers.ts';
import { type Behaviour, type Received, type Receiver, startReceiver } from '../notify/receiver.ts';
import { register } from '../support/driver.ts';
import { backends, openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

const hour = 3_600_000;
const day = 24 * hour;
const runbookSecret = 'runbook-secret-of-the-test';

type Body = Readonly<Record<string, unknown>>;
const bodyOf = ({ body }: Received): Body => JSON.parse(body) as Body; // our own webhook's body
const receivedFor = (receiver: Receiver, domain: string): Received[] =>
  receiver.received.filter((one) => bodyOf(one)['domain'] === domain);
const bodiesAt = (receiver: Receiver, domain: string): Body[] => receivedFor(receiver, domain).map(bodyOf);

const atLeast = (receiver: Receiver, domain: string, count: number, timeoutMs = 10_000): Promise<Body[]> =>
  waitFor(
    () => {
      const bodies = bodiesAt(receiver, domain);
      if (bodies.length < count) throw new Error(JSON.stringify(receiver.received.map(({ body }) => body)));
      return bodies;
    },
    { timeoutMs, what: `${count} notices of ${domain}` },
  );

interface Row {
  readonly id: string;
  readonly status: string;
  readonly tries: number;
  readonly wait: number | null;
  readonly last_error: string | null;
}

/** The product with three receivers: its alert webhook, its runbook, and one that only `*.routed.example` leads to. */
interface Stage {
  readonly site: Site;
  readonly alerts: Receiver;
  readonly runbook: Receiver;
  readonly other: Receiver;
  readonly close: () => Promise<void>;
}

const openStage = async (backend: (typeof backends)[number]): Promise<Stage> => {
  const [alerts, runbook, other] = await Promise.all([startReceiver(), startReceiver(), startReceiver()]);
  const site = await openSite(backend, {
    CERT_DEPLOYMENT_ENV: 'prod',
    CERT_WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${alerts.port}/alerts`,
    CERT_ALERT_COOLDOWN_SECONDS: '2',
    CERT_RUNBOOK_WEBHOOK_URL: `http://127.0.0.1:${runbook.port}/runbook`,
    CERT_RUNBOOK_SIGNING_SECRET: runbookSecret,
    CERT_RUNBOOK_COOLDOWN_SECONDS: '600',
    CERT_NOTIFY_CHANNELS: JSON.stringify({
      channels: { other: { type: 'webhook', url: `http://127.0.0.1:${other.port}/other` } },
      routes: [{ match: { domain: '*.routed.example' }, channels: ['other'] }],
    }),
  });
  return {
    site,
    alerts,
    runbook,
    other,
    close: async () => {
      await site.close();
      await Promise.all([alerts.close(), runbook.close(), other.close()]);
    },
  };
};

describe.each(backends)('on %s', (backend) => {
  let stage: Stage;
  let site: Site;
  beforeAll(async () => {
    stage = await openStage(backend);
    site = stage.site;
  });
  afterAll(() => stage.close());
  afterEach(() => {
    for (const receiver of [stage.alerts, stage.runbook, stage.other]) receiver.behave({ kind: 'accept' });
  });

  const rowsOf = (domain: string, channel: string) => site.sql<Row[]>`
    select id, status, tries, last_error, extract(epoch from next_attempt_at - updated_at)::float8 as wait
    from certificate_notifications where domain = ${domain} and channel = ${channel} order by seq`;
  const untilRow = (domain: string, channel: string, holds: (row: Row) => boolean, timeoutMs = 10_000): Promise<Row> =>
    waitFor(
      async () => {
        const rows = await rowsOf(domain, channel);
        const row = rows.find(holds);
        if (row === undefined) throw new Error(JSON.stringify(rows));
        return row;
      },
      { timeoutMs, what: `a notification of ${domain}` },
    );

  it('tells a failure once, reminds after the cooldown, and tells the end', async () => {
    const { alerts, runbook } = stage;
    const domain = await register(site.url, 'story.example');
    await site.tell(domain, 'renewal_failed', { reason: 'CAA forbids it' });
    const [first] = await atLeast(alerts, domain, 1);
    expect(first).toEqual({
      source: 'worker-certificates',
      type: 'certificate.alert',
      severity: 'critical',
      incidentRoute: 'ticket',
      domainId: expect.any(String),
      domain,
      tlsMode: 'termination',
      status: 'tls_error',
      notAfter: null,
      error: 'CAA forbids it',
      timestamp: expect.any(String),
    });
    await atLeast(runbook, domain, 1);
    const trigger = receivedFor(runbook, domain)[0];
    const { 'x-fdt-timestamp': at, 'x-fdt-signature': signature } = trigger?.headers ?? {};
    expect(signature).toBe(
      createHmac('sha256', runbookSecret)
        .update(`${String(at)}.${trigger?.body}`)
        .digest('hex'),
    );
    expect(trigger?.headers['webhook-id']).toMatch(/^[0-9a-f-]{36}$/);

    const reminded = await atLeast(alerts, domain, 2);
    const times = reminded.map(({ timestamp }) => Date.parse(String(timestamp)));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2000);
    const before = bodiesAt(alerts, domain).length;

    await site.tell(domain, 'renewal_succeeded', { notAfter: Date.now() + 90 * day });
    await waitFor(() => bodiesAt(alerts, domain).some(({ action }) => action === 'resolve'), { what: 'the end' });
    await sleep(2500); // longer than the cooldown: nothing more may come
    const all = bodiesAt(alerts, domain);
    expect(all.filter(({ action }) => action === 'resolve')).toHaveLength(1);
    expect(all.at(-1)).toMatchObject({ action: 'resolve', status: 'issued', error: null });
    expect(all.length).toBeLessThanOrEqual(before + 2);
    expect(bodiesAt(runbook, domain)).toHaveLength(1);
    const ids = receivedFor(alerts, domain).map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(ids.length);

    const { body } = await site.admin('GET', `/domains/${domain}`);
    const timeline = v.parse(v.object({ timeline: v.array(v.looseObject({ kind: v.string() })) }), body).timeline;
    expect(timeline.filter(({ kind }) => kind === 'notification').length).toBeGreaterThanOrEqual(4);
  });

  it('pages for a breach in production, within seconds, with the body of the contract', async () => {
    const domain = await register(site.url, 'late.example');
    const renewalDueAt = Date.now() - 2 * hour;
    const told = Date.now();
    await site.tell(domain, 'renewal_succeeded', { notAfter: Date.now() + 60 * day, renewalDueAt });
    const [body] = await atLeast(stage.alerts, domain, 1);
    expect(Date.now() - told).toBeLessThan(5000);
    expect(body).toEqual({
      source: 'worker-certificates',
      type: 'certificate.renewal_sla',
      severity: 'critical',
      incidentRoute: 'page',
      domainId: expect.any(String),
      domain,
      tlsMode: 'termination',
      status: 'issued',
      notAfter: expect.any(String),
      error: null,
      timestamp: expect.any(String),
      classification: 'renewal_sla_breach',
      renewalDueAt: new Date(renewalDueAt).toISOString(),
      hoursUntilDue: -2,
      warningWindowHours: 72,
      environment: 'prod',
    });
    expect(bodiesAt(stage.alerts, domain).map(({ classification }) => classification)).not.toContain(
      'renewal_sla_warning',
    );
  });

  it('sees by itself that a certificate has ended, and says so', async () => {
    const domain = await register(site.url, 'ended.example');
    await site.tell(domain, 'issuance_succeeded', {
      certificateRef: 'r1',
      notAfter: Date.now() + 2500,
      notBefore: Date.now() - 80 * day,
    });
    await waitFor(() => bodiesAt(stage.alerts, domain).some(({ status }) => status === 'tls_error'), {
      what: 'the error',
    });
    const [row] =
      await site.sql`select tls_status, tls_last_error, alerting from custom_domains where domain = ${domain}`;
    expect(row).toMatchObject({
      tls_status: 'tls_error',
      tls_last_error: 'the certificate has expired',
      alerting: true,
    });
    const incident = () => site.sql`
      select incident_type, tier, status, event_id, resolved_by from certificate_incidents where domain = ${domain} and incident_type = 'tls_error'`;
    expect(await incident()).toMatchObject([{ tier: 2, status: 'open', event_id: null }]);
    expect(
      bodiesAt(stage.alerts, domain).filter(({ status, action }) => status === 'expiring' && action === undefined)
        .length,
    ).toBeGreaterThan(0);
    await site.tell(domain, 'renewal_succeeded', { certificateRef: 'r2', notAfter: Date.now() + 90 * day });
    await waitFor(async () => (await incident())[0]?.['status'] === 'resolved', { what: 'the end of the incident' });
    expect(await incident()).toMatchObject([{ resolved_by: 'event' }]);
  });

  it('reminds nobody of what is acknowledged', async () => {
    const domain = await register(site.url, 'known.example');
    await site.tell(domain, 'renewal_failed');
    const [incident] = await waitFor(
      async () => {
        const rows = await site.sql`select id from certificate_incidents where domain = ${domain}`;
        return rows.length > 0 && rows;
      },
      { what: 'the incident' },
    );
    expect((await site.admin('POST', `/cert-incidents/${incident?.['id']}/ack`)).status).toBe(200);
    await atLeast(stage.alerts, domain, 1);
    await sleep(5000); // two cooldowns
    expect(bodiesAt(stage.alerts, domain)).toHaveLength(1);
  });

  it.each<[string, Behaviour, string, RegExp]>([
    ['5xx', { kind: 'status', status: 503 }, 'failed', /answered 503/],
    ['429', { kind: 'status', status: 429, headers: { 'retry-after': '7200' } }, 'failed', /answered 429/],
    ['a redirect', { kind: 'status', status: 302, headers: { location: '/elsewhere' } }, 'failed', /redirects/],
    ['a connection that breaks', { kind: 'reset' }, 'failed', /cannot be reached/],
    ['410', { kind: 'status', status: 410 }, 'dead', /answered 410/],
    ['an answer without end', { kind: 'endless', status: 200 }, 'sent', /^$/],
  ])('takes %s for what it is, and others are told all the same', async (what, behaviour, status, error) => {
    stage.other.behave(behaviour);
    const domain = await register(site.url, `${what.replaceAll(/\W/g, '').toLowerCase()}.routed.example`);
    await site.tell(domain, 'issuance_failed');
    await atLeast(stage.alerts, domain, 1);
    const row = await untilRow(domain, 'other', ({ tries }) => tries === 1);
    expect(row).toMatchObject({ status, tries: 1 });
    expect(row.last_error ?? '').toMatch(error);
    const expected = { failed: [108, 132], dead: [0, 0], sent: [0, 0] }[status] ?? [];
    const [least = 0, most = 0] = what === '429' ? [7200, 7920] : expected;
    expect(row.wait ?? 0).toBeGreaterThanOrEqual(least);
    expect(row.wait ?? 0).toBeLessThanOrEqual(most);
    const detail = await site.admin('GET', `/notifications/${row.id}`);
    v.assert(notificationDetail, detail.body);
    expect(detail.body.attempts).toMatchObject([{ attempt: 1, delivered: status === 'sent' }]);
  });

  it('lets a receiver that never answers delay nobody', async () => {
    stage.other.behave({ kind: 'silent' });
    const names = await Promise.all(Array.from({ length: 20 }, (_, at) => register(site.url, `s${at}.routed.example`)));
    const told = Date.now();
    await Promise.all(names.map((domain) => site.tell(domain, 'issuance_failed')));
    await Promise.all(names.map((domain) => atLeast(stage.alerts, domain, 1)));
    expect(Date.now() - told).toBeLessThan(8000);
    await site.sql`delete from certificate_notifications where channel = 'other' and domain = any(${names}::text[])`;
  });

  it('keeps to the order of an alert while its receiver is down, and gives up after five tries', async () => {
    stage.other.behave({ kind: 'status', status: 500 });
    const domain = await register(site.url, 'down.routed.example');
    await site.tell(domain, 'issuance_failed');
    // The tries of the test before wait for their silent receiver, in two rounds of ten seconds, and hold their channel.
    const row = await untilRow(domain, 'other', ({ status }) => status === 'failed', 30_000);
    await site.tell(domain, 'issuance_succeeded', { notAfter: Date.now() + 90 * day });
    await untilRow(domain, 'alert-webhook', () => true);
    await waitFor(() => bodiesAt(stage.alerts, domain).some(({ action }) => action === 'resolve'), { what: 'the end' });
    const asked = () => receivedFor(stage.other, domain);
    for (let tries = 2; tries <= 5; tries += 1) {
      await site.sql`update certificate_notifications set next_attempt_at = now() where id = ${row.id}`;
      await untilRow(domain, 'other', (one) => one.id === row.id && one.tries === tries, 12_000);
    }
    expect((await rowsOf(domain, 'other'))[0]).toMatchObject({ id: row.id, status: 'dead', tries: 5 });
    const ids = asked().map(({ headers }) => headers['webhook-id']);
    expect(ids.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => row.id));
  }, 90_000);

  it('shows what was given up, and delivers it when asked to', async () => {
    const { other } = stage;
    other.behave({ kind: 'status', status: 404 });
    const domain = await register(site.url, 'again.routed.example');
    const deadTotal = async () => Number(/^certctl_notification_dead_total (\d+)$/m.exec(await site.metrics())?.[1]);
    const before = await deadTotal();
    await site.tell(domain, 'renewal_failed');
    const row = await untilRow(domain, 'other', ({ status }) => status === 'dead');
    expect(await deadTotal()).toBeGreaterThan(before);
    other.behave({ kind: 'accept' });

    const list = await site.admin('GET', `/notifications?channel=other&domain=${domain}&class=tls_error`);
    v.assert(notificationList, list.body);
    expect(list.body.stats.dead).toBe(list.body.notifications.filter(({ status }) => status === 'dead').length);
    const filter = { channel: 'other', domain };
    const dry = await site.admin('POST', '/notifications/requeue', { ...filter, dryRun: true });
    v.assert(bulkRequeueAnswer, dry.body);
    expect(dry.body).toMatchObject({ dryRun: true, requeued: 0, ids: expect.arrayContaining([row.id]) });
    const again = await site.admin('POST', `/notifications/${row.id}/requeue`);
    v.assert(requeueAnswer, again.body);
    expect(again.body.notification).toMatchObject({ status: 'pending', tries: 0, requeues: 1 });
    await untilRow(domain, 'other', ({ id, status }) => id === row.id && status === 'sent');
    expect(await site.admin('POST', `/notifications/${row.id}/requeue`)).toMatchObject({ status: 409 });
    const bulk = await site.admin('POST', '/notifications/requeue', filter);
    expect(bulk).toMatchObject({ status: 200, body: { ok: true, dryRun: false } });
    await waitFor(async () => (await rowsOf(domain, 'other')).every(({ status }) => status === 'sent'), {
      what: 'all sent',
    });
    expect(receivedFor(other, domain).filter(({ headers }) => headers['webhook-id'] === row.id)).toHaveLength(2);
  });

  it('counts what receivers took, and no domain makes the exposition longer', async () => {
    const lines = async (): Promise<string[]> =>
      (await site.metrics())
        .split('\n')
        .filter((line) => /^(?:fdt|certctl)_/.test(line) && !line.startsWith('fdt_cert_queue_jobs'));
    const before = await lines();
    const valueOf = (name: string): number => Number(before.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
    expect(valueOf('fdt_cert_alerts_sent_total')).toBeGreaterThan(0);
    expect(valueOf('fdt_cert_renewal_sla_alerts_sent_total')).toBeGreaterThan(0);
    expect(valueOf('fdt_cert_runbook_triggers_total')).toBeGreaterThan(0);
    expect(valueOf('fdt_cert_runbook_trigger_failures_total')).toBe(0);
    expect(before.some((line) => line.startsWith('fdt_cert_notifications_total{channel="other",result="dead"}'))).toBe(
      true,
    );
    // A channel is counted from nothing on, so that a rate sees its first failure.
    for (const result of ['sent', 'failed', 'dead'])
      expect(valueOf(`fdt_cert_notifications_total{channel="other",result="${result}"}`)).toBeGreaterThanOrEqual(0);
    await site.sql`
      insert into custom_domains (id, domain, verified, verification_token, tls_status, look_due_at)
      select gen_random_uuid(), 'm' || n || '.example', true, 'x', 'pending_route', now() from generate_series(1, 1000) n`;
    await waitFor(
      async () => (await site.sql`select 1 from domain_clocks where look_due_at <= now() limit 1`).length === 0,
      { what: 'the settle pass' },
    );
    const names = (all: readonly string[]): string[] => all.map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(names(await lines())).toEqual(names(before));
  });

  it('tells the end when a domain is deleted', async () => {
    const domain = await register(site.url, 'gone.example');
    await site.tell(domain, 'renewal_failed');
    await atLeast(stage.alerts, domain, 1);
    const [row] = await site.sql`select id from custom_domains where domain = ${domain}`;
    const answer = await fetch(`${site.url}/v1/domains/custom/${row?.['id']}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${site.adminToken}` },
    });
    expect(answer.ok).toBe(true);
    await waitFor(() => bodiesAt(stage.alerts, domain).some(({ action }) => action === 'resolve'), { what: 'the end' });
    expect(await site.sql`select 1 from certificate_alerts where domain_id = ${row?.['id'] ?? null}`).toEqual([]);
  });
});
