import { describe, expect, it } from 'vitest';
import { parseNotifyConfig } from '../lifecycle/notify-config.ts';
import { channelsFor, type RoutedFacts } from '../lifecycle/notify-routes.ts';
import { type OpenSettings, openChannels } from './open.ts';

const parsed = parseNotifyConfig(
  JSON.stringify({
    channels: {
      chat: { type: 'slack', url: 'https://hooks.example.com/' },
      am: { type: 'alertmanager', url: 'https://am.example.com/' },
      auto: { type: 'runbook', url: 'https://run.example.com/', secret: 'secret' },
    },
    routes: [{ channels: ['chat', 'auto'] }],
  }),
);
if (!('config' in parsed)) throw new Error('the test’s document is wrong');

const settings: OpenSettings = {
  config: parsed.config,
  alertWebhook: { url: 'https://alerts.example.com/', secrets: [] },
  runbook: { url: 'https://run.example.com/', secrets: ['secret'] },
  allowedCidrs: [],
  loopback: false,
  nameServers: [],
  refreshIntervalMs: 60_000,
  now: () => 0,
};
const facts: RoutedFacts = {
  kind: 'alert',
  action: 'fire',
  severity: 'warning',
  route: 'ticket',
  class: 'drift',
  orgId: null,
  domain: 'shop.example.com',
};

describe('openChannels', () => {
  it('makes what is configured, each by its type', () => {
    const { channels } = openChannels(settings);
    expect([...channels].map(([name, { type, kinds, resolves }]) => [name, type, kinds, resolves])).toEqual([
      ['alert-webhook', 'webhook', ['alert'], true],
      ['runbook', 'runbook', ['runbook'], false],
      ['chat', 'slack', ['alert'], true],
      ['am', 'alertmanager', ['alert'], true],
      ['auto', 'runbook', ['runbook'], false],
    ]);
    expect([...channels.values()].filter(({ refresh }) => refresh !== undefined).map(({ name }) => name)).toEqual([
      'am',
    ]);
  });

  it('tells the webhooks of their own variables whatever the routes say', () => {
    const { routing } = openChannels(settings);
    expect(channelsFor(routing, facts)).toEqual(['alert-webhook', 'chat']);
    expect(channelsFor(routing, { ...facts, kind: 'runbook' })).toEqual(['runbook', 'auto']);
    expect(channelsFor(routing, { ...facts, kind: 'runbook', action: 'resolve' })).toEqual([]);
  });

  it('makes nothing when nothing is configured', () => {
    const { channels, routing } = openChannels({ ...settings, config: null, alertWebhook: null, runbook: null });
    expect(channels.size).toBe(0);
    expect(channelsFor(routing, facts)).toEqual([]);
  });
});
