import { alertBody, type FiringAlert, type Notice, summaryOf } from '../../src/lifecycle/notice.ts';
import type { ChannelSettings, ChannelType } from '../../src/lifecycle/notify-config.ts';
import type { Channel } from '../../src/notify/channel.ts';
import { type OpenSettings, openChannels } from '../../src/notify/open.ts';

export const now = Date.UTC(2026, 10, 1, 12, 0, 0);
export const refreshIntervalMs = 60_000;
const domainId = '7f3c0a52-6b1e-4a34-9f55-0d7f6f1f0001';
const body = alertBody({
  class: 'tls_error',
  environment: 'prod',
  domainId,
  domain: 'shop.example.com',
  tlsMode: 'termination',
  status: 'tls_error',
  notAfter: now + 864_000_000,
  error: 'the chain is <!channel> [not](http://evil.example) *trusted*\u202E & so',
  at: now - 5000,
});

export const alert: FiringAlert = {
  alertKey: `${domainId}:tls_error`,
  class: 'tls_error',
  severity: 'critical',
  route: 'ticket',
  domain: 'shop.example.com',
  orgId: 'acme',
  summary: summaryOf('tls_error', 'fire', body),
  body,
  firedAt: now - 5000,
};
export const fire: Notice = {
  ...alert,
  id: '2f1ed2b0-87c5-5a0c-9d0e-000000000001',
  kind: 'alert',
  action: 'fire',
  createdAt: now - 5000,
};
export const resolve: Notice = {
  ...fire,
  id: '2f1ed2b0-87c5-5a0c-9d0e-000000000002',
  action: 'resolve',
  summary: summaryOf('tls_error', 'resolve', body),
  createdAt: now,
};

/** What nobody may ever see in a result; each appears in the settings below. */
export const secrets = {
  path: 'T0000/B0000/pathSecret-Zx81',
  query: 'querySecret-Qk42',
  signing: 'signingSecret-Ab12',
  routingKey: 'routingSecret-R7f3',
  apiKey: 'apiSecret-K9d2',
  password: 'passwordSecret-P5&x',
} as const;
export const webhookSecret = `whsec_${Buffer.from('binary\u0000secret').toString('base64')}`;

/** Settings of each type of channel, for a receiver at `host:port`. */
export const settingsFor: { readonly [T in ChannelType]: (host: string, port: number) => ChannelSettings<T> } = {
  webhook: (host, port) => ({
    type: 'webhook',
    url: `http://${host}:${port}/hooks/${secrets.path}?sig=${secrets.query}`,
    secret: [webhookSecret, secrets.signing],
  }),
  runbook: (host, port) => ({
    type: 'runbook',
    url: `http://${host}:${port}/run/${secrets.path}`,
    secret: [secrets.signing, webhookSecret],
  }),
  slack: (host, port) => ({ type: 'slack', url: `http://${host}:${port}/services/${secrets.path}` }),
  teams: (host, port) => ({ type: 'teams', url: `http://${host}:${port}/workflows/x?sig=${secrets.query}` }),
  pagerduty: (host, port) => ({
    type: 'pagerduty',
    url: `http://${host}:${port}/v2/enqueue`,
    routingKey: secrets.routingKey,
  }),
  opsgenie: (host, port) => ({ type: 'opsgenie', url: `http://${host}:${port}/`, apiKey: secrets.apiKey }),
  alertmanager: (host, port) => ({
    type: 'alertmanager',
    url: `http://notafter:${encodeURIComponent(secrets.password)}@${host}:${port}/am/`,
    generatorUrl: 'https://notafter.example.com/',
  }),
  email: (host, port) => ({
    type: 'email',
    host,
    port,
    secure: false,
    requireTls: true,
    user: 'notafter',
    password: secrets.password,
    from: 'Not After <alerts@notafter.example.com>',
    to: ['ops@example.com', 'gone@example.com'],
  }),
};
// The table above has one entry for each type.
export const channelTypes = Object.keys(settingsFor) as ChannelType[];

/** One channel with settings of its own, allowed to reach loopback unless told otherwise. */
export const openChannel = (settings: ChannelSettings, more: Partial<OpenSettings> = {}): Channel => {
  const { channels } = openChannels({
    config: { channels: new Map([['it', settings]]), routes: [] },
    alertWebhook: null,
    runbook: null,
    allowedCidrs: [],
    loopback: true,
    nameServers: [],
    refreshIntervalMs,
    now: () => now,
    deadlineMs: 3000,
    ...more,
  });
  const channel = channels.get('it');
  if (channel === undefined) throw new Error('the channel was not made');
  return channel;
};
