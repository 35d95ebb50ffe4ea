import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Received, type Receiver, startReceiver } from '../notify/receiver.ts';
import { register } from '../support/driver.ts';
import { backends, openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

const hour = 3_600_000;
const day = 24 * hour;
const runbookSecret = 'runbook-secret-of-the-test';

type Body = Readonly<Record<string, unknown>>;
const bodyOf = ({ body }: Received): Body => JSON.parse(body) as Body; // our own webhook's body
const bodiesAt = (receiver: Receiver, domain: string): Body[] =>
  receiver.received.map(bodyOf).filter((body) => body['domain'] === domain);
const receivedFor = (receiver: Receiver, domain: string): Received[] =>
  receiver.received.filter((one) => bodyOf(one)['domain'] === domain);

const atLeast = (receiver: Receiver, domain: string, count: number, timeoutMs = 10_000): Promise<Body[]> =>
  waitFor(
    () => {
      const bodies = bodiesAt(receiver, domain);
      if (bodies.length < count) throw new Error(JSON.stringify(receiver.received.map(({ body }) => body)));
      return bodies;
    },
    { timeoutMs, what: `${count} notices of ${domain}` },
  );

describe.each(backends)('on %s', (backend) => {
  let alerts: Receiver;
  let runbook: Receiver;
  let site: Site;
  beforeAll(async () => {
    [alerts, runbook] = await Promise.all([startReceiver(), startReceiver()]);
    site = await openSite(backend, {
      CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${alerts.port}/alerts`,
      CERT_ALERT_COOLDOWN_SECONDS: '2',
      CERT_RUNBOOK_WEBHOOK_URL: `http://127.0.0.1:${runbook.port}/runbook`,
      CERT_RUNBOOK_SIGNING_SECRET: runbookSecret,
      CERT_RUNBOOK_COOLDOWN_SECONDS: '600',
    });
  });
  afterAll(async () => {
    await site.close();
    await Promise.all([alerts.close(), runbook.close()]);
  });
  afterEach(() => {
    alerts.behave({ kind: 'accept' });
    runbook.behave({ kind: 'accept' });
  });

  it('tells a failure once, reminds after the cooldown, and tells the end', async () => {
    const domain = await register(site.url, 'story.example');
    await site.tell(domain, 'renewal_failed', { reason: 'CAA forbids it' });
    const [first] = await atLeast(alerts, domain, 1);
    expect(first).toMatchObject({
      source: 'worker-certificates',
      type: 'certificate.alert',
      severity: 'critical',
      incidentRoute: 'ticket',
      tlsMode: 'termination',
      status: 'tls_error',
      notAfter: null,
      error: 'CAA forbids it',
    });
    await atLeast(runbook, domain, 1);
    const trigger = receivedFor(runbook, domain)[0];
    const { 'x-fdt-timestamp': at, 'x-fdt-signature': signature } = trigger?.headers ?? {};
    expect(signature).toBe(createHmac('sha256', runbookSecret).update(`${String(at)}.${trigger?.body}`).digest('hex'));
    expect(trigger?.headers['webhook-id']).toMatch(/^[0-9a-f-]{36}$/);

    const reminded = await atLeast(alerts, domain, 2);
    const times = reminded.map(({ timestamp }) => Date.parse(String(timestamp)));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(2000);
    const before = bodiesAt(alerts, domain).length;

    await site.tell(domain, 'renewal_succeeded', { notAfter: Date.now() + 90 * day });
    await waitFor(() => bodiesAt(alerts, domain).some(({ action }) => action === 'resolve'), { what: 'the end' });
    await sleep(2500);
    const all = bodiesAt(alerts, domain);
    expect(all.filter(({ action }) => action === 'resolve')).toHaveLength(1);
    expect(all.at(-1)).toMatchObject({ action: 'resolve', status: 'issued', error: null });
    expect(all.length).toBeLessThanOrEqual(before + 2);
    expect(bodiesAt(runbook, domain)).toHaveLength(1);
    const ids = receivedFor(alerts, domain).map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
