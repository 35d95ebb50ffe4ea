import { createHmac, timingSafeEqual } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Notice } from '../../src/lifecycle/notice.ts';
import type { ChannelSettings } from '../../src/lifecycle/notify-config.ts';
import {
  alert,
  fire,
  now,
  openChannel,
  refreshIntervalMs,
  resolve,
  secrets,
  settingsFor,
  webhookSecret,
} from './fixtures.ts';
import { type Received, type Receiver, startReceiver } from './receiver.ts';

const seconds = String(now / 1000);
let receiver: Receiver;

beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

type HttpType = Exclude<ChannelSettings['type'], 'email'>;
const sent = async (type: HttpType, notice: Notice): Promise<Received & { json: Record<string, unknown> }> => {
  const channel = openChannel(settingsFor[type]('127.0.0.1', receiver.port));
  expect((await channel.send(notice)).kind).toBe('sent');
  const last = receiver.received.at(-1);
  if (last === undefined) throw new Error('nothing was received');
  return { ...last, json: JSON.parse(last.body) as Record<string, unknown> }; // every body is an object
};

/** As the Standard Webhooks specification has it, written apart from the sender. */
const verifies = ({ headers, body }: Received, key: Buffer): boolean => {
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const expected = createHmac('sha256', key).update(content).digest();
  return String(headers['webhook-signature'])
    .split(' ')
    .filter((one) => one.startsWith('v1,'))
    .map((one) => Buffer.from(one.slice(3), 'base64'))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected));
};
const keys = { text: Buffer.from(secrets.signing), binary: Buffer.from('binary\u0000secret') };

describe('the alert webhook', () => {
  it('posts the body of the contract as it is', async () => {
    const { headers, json, path } = await sent('webhook', fire);
    expect(json).toEqual(fire.body);
    expect(Object.keys(json)).toEqual(Object.keys(fire.body));
    expect(headers['content-type']).toBe('application/json');
    expect(path).toBe(`/hooks/${secrets.path}?sig=${secrets.query}`);
  });

  it('adds that an alert has ended', async () => {
    expect((await sent('webhook', resolve)).json).toEqual({ ...fire.body, action: 'resolve' });
  });

  it('is signed with every secret, under an id that stays', async () => {
    const first = await sent('webhook', fire);
    const second = await sent('webhook', fire);
    for (const one of [first, second]) {
      expect(one.headers).toMatchObject({ 'webhook-id': fire.id, 'webhook-timestamp': seconds });
      expect(verifies(one, keys.text)).toBe(true);
      expect(verifies(one, keys.binary)).toBe(true);
    }
    expect(verifies(first, Buffer.from('another secret'))).toBe(false);
    expect(verifies({ ...first, body: `${first.body} ` }, keys.text)).toBe(false);
    expect(first.headers).not.toHaveProperty('x-fdt-signature');
  });

  it('without a secret still carries its id', async () => {
    const url = `http://127.0.0.1:${receiver.port}/`;
    await openChannel({ type: 'webhook', url }).send(fire);
    expect(receiver.received[0]?.headers).toMatchObject({ 'webhook-id': fire.id, 'webhook-timestamp': seconds });
    expect(receiver.received[0]?.headers).not.toHaveProperty('webhook-signature');
  });
});

describe('the runbook webhook', () => {
  it('is signed both ways', async () => {
    const one = await sent('runbook', { ...fire, kind: 'runbook' });
    const { headers, body } = one;
    expect(one.json).toEqual(fire.body);
    expect(headers['x-fdt-timestamp']).toBe(seconds);
    expect(headers['x-fdt-signature']).toBe(
      createHmac('sha256', secrets.signing).update(`${seconds}.${body}`).digest('hex'),
    );
    expect(verifies(one, keys.text)).toBe(true);
    expect(verifies(one, keys.binary)).toBe(true);
  });

  it('takes a whsec_ secret as it stands for x-fdt-signature', async () => {
    const settings = { ...settingsFor.runbook('127.0.0.1', receiver.port), secret: [webhookSecret] };
    await openChannel(settings).send(fire);
    const [one] = receiver.received;
    expect(one?.headers['x-fdt-signature']).toBe(
      createHmac('sha256', webhookSecret).update(`${seconds}.${one?.body}`).digest('hex'),
    );
  });
});

describe('Slack', () => {
  it('gets blocks and a line of text, in which nothing from outside comes alive', async () => {
    const { json, body } = await sent('slack', fire);
    expect(json['text']).toContain('[CRITICAL] shop.example.com: TLS error: the chain is &lt;!channel&gt;');
    expect(json['text']).toContain('&amp; so');
    expect(body).not.toContain('\u202E');
    const blocks = json['blocks'] as { type: string; fields?: { type: string; text: string; verbatim: boolean }[] }[]; // our own message
    expect(blocks.map(({ type }) => type)).toEqual(['section', 'section', 'context']);
    const fields = blocks[1]?.fields ?? [];
    expect(fields.length).toBeLessThanOrEqual(10);
    for (const { type, text, verbatim } of fields) {
      expect([type, verbatim]).toEqual(['mrkdwn', true]);
      expect(text).not.toMatch(/[<>]/);
    }
  });

  it('is told of the end', async () => {
    expect((await sent('slack', resolve)).json['text']).toBe('[RESOLVED] shop.example.com: TLS is well again');
  });
});

describe('Teams', () => {
  const card = (json: Record<string, unknown>) =>
    (json['attachments'] as { contentType: string; content: { type: string; body: unknown[] } }[])[0]; // our own message

  it('gets an Adaptive Card without Markdown', async () => {
    const { json } = await sent('teams', fire);
    expect(json['type']).toBe('message');
    expect(card(json)).toMatchObject({
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: { type: 'AdaptiveCard', version: '1.4' },
    });
    expect(new Set(card(json)?.content.body.map((one) => (one as { type: string }).type))).toEqual(
      new Set(['RichTextBlock']),
    );
    expect(card(json)?.content.body[0]).toMatchObject({ inlines: [{ color: 'Attention' }] });
  });

  it('gets a green one at the end', async () => {
    const { json } = await sent('teams', resolve);
    expect(card(json)?.content.body[0]).toMatchObject({ inlines: [{ color: 'Good' }] });
  });
});

describe('PagerDuty', () => {
  it('triggers under the alert’s key', async () => {
    expect((await sent('pagerduty', fire)).json).toEqual({
      routing_key: secrets.routingKey,
      event_action: 'trigger',
      dedup_key: alert.alertKey,
      client: 'notafter',
      payload: {
        summary: alert.summary,
        source: 'shop.example.com',
        severity: 'critical',
        timestamp: new Date(alert.firedAt).toISOString(),
        component: 'certificate',
        class: 'tls_error',
        group: 'acme',
        custom_details: alert.body,
      },
    });
  });

  it('resolves under the same key', async () => {
    expect((await sent('pagerduty', resolve)).json).toEqual({
      routing_key: secrets.routingKey,
      event_action: 'resolve',
      dedup_key: alert.alertKey,
    });
  });
});

describe('Opsgenie', () => {
  it('creates with an alias', async () => {
    const { headers, json, path } = await sent('opsgenie', fire);
    expect(path).toBe('/v2/alerts');
    expect(headers.authorization).toBe(`GenieKey ${secrets.apiKey}`);
    expect(json).toMatchObject({
      alias: alert.alertKey,
      entity: 'shop.example.com',
      priority: 'P2',
      source: 'notafter',
    });
    expect(String(json['message']).length).toBeLessThanOrEqual(130);
    expect(Object.values(json['details'] as object).every((value) => typeof value === 'string')).toBe(true);
  });

  it.each([
    ['page', 'critical', 'P1'],
    ['ticket', 'critical', 'P2'],
    ['ticket', 'warning', 'P3'],
  ] as const)('ranks %s and %s as %s', async (route, severity, priority) => {
    expect((await sent('opsgenie', { ...fire, route, severity })).json['priority']).toBe(priority);
  });

  it('closes by the alias', async () => {
    const { headers, path } = await sent('opsgenie', resolve);
    expect(path).toBe(`/v2/alerts/${encodeURIComponent(alert.alertKey)}/close?identifierType=alias`);
    expect(headers.authorization).toBe(`GenieKey ${secrets.apiKey}`);
  });
});

describe('Alertmanager', () => {
  const alerts = (received: Received | undefined) =>
    JSON.parse(received?.body ?? 'null') as {
      labels: Record<string, string>;
      startsAt: string;
      endsAt: string;
      generatorURL: string;
    }[]; // our own message
  const at = (ms: number): string => new Date(ms).toISOString();
  const labels = {
    alertname: 'CertificateTlsError',
    domain: 'shop.example.com',
    class: 'tls_error',
    severity: 'critical',
    route: 'ticket',
    org: 'acme',
  };

  it('gets an alert that outlives three repeats', async () => {
    const one = await sent('alertmanager', fire);
    expect(one.path).toBe('/am/api/v2/alerts');
    expect(one.headers['content-type']).toBe('application/json');
    expect(one.headers.authorization).toBe(`Basic ${Buffer.from(`notafter:${secrets.password}`).toString('base64')}`);
    expect(alerts(one)).toHaveLength(1);
    expect(alerts(one)[0]).toMatchObject({
      labels,
      startsAt: at(alert.firedAt),
      endsAt: at(now + 3 * refreshIntervalMs),
      generatorURL: 'https://notafter.example.com/',
    });
  });

  it('gets the same alert, ended now, at the end', async () => {
    expect(alerts(await sent('alertmanager', resolve))[0]).toMatchObject({ labels, endsAt: at(now) });
  });

  it('never gets an alert that begins after it ends', async () => {
    const [one] = alerts(await sent('alertmanager', { ...resolve, firedAt: now + 60_000 }));
    expect([one?.startsAt, one?.endsAt]).toEqual([at(now), at(now)]);
  });

  it('leaves out what is not known', async () => {
    const [one] = alerts(await sent('alertmanager', { ...fire, orgId: null }));
    expect(one?.labels).not.toHaveProperty('org');
  });

  it('is told again what fires, in batches', async () => {
    const channel = openChannel(settingsFor.alertmanager('127.0.0.1', receiver.port));
    const many = Array.from({ length: 1100 }, (_, n) => ({ ...alert, domain: `d${n}.example.com` }));
    expect(await channel.refresh?.(many)).toMatchObject({ kind: 'sent', status: 202 });
    expect(receiver.received.map((one) => alerts(one).length)).toEqual([500, 500, 100]);
    expect(new Set(receiver.received.flatMap((one) => alerts(one).map(({ labels: l }) => l['domain']))).size).toBe(
      1100,
    );
    expect(alerts(receiver.received[0])[0]?.endsAt).toBe(at(now + 3 * refreshIntervalMs));
  });

  it('is told nothing when nothing fires, and not the rest when a batch fails', async () => {
    const channel = openChannel(settingsFor.alertmanager('127.0.0.1', receiver.port));
    expect(await channel.refresh?.([])).toEqual({ kind: 'sent', status: null, snippet: null });
    expect(receiver.received).toHaveLength(0);
    receiver.behave({ kind: 'status', status: 500 });
    const many = Array.from({ length: 600 }, () => alert);
    expect(await channel.refresh?.(many)).toMatchObject({ kind: 'retry', status: 500 });
    expect(receiver.received).toHaveLength(1);
  });
});
