import { getCACertificates } from 'node:tls';
import type { Delivery } from '../lifecycle/delivery.ts';
import type { Notice } from '../lifecycle/notice.ts';
import { type ChannelSettings, type NotifyConfig, ownChannelNames } from '../lifecycle/notify-config.ts';
import type { ChannelTraits, Routing } from '../lifecycle/notify-routes.ts';
import { addressGuard } from '../net/address-guard.ts';
import { createResolver } from '../net/resolver.ts';
import { refreshAlertmanager, sendAlertmanager } from './alertmanager.ts';
import type { Channel, Tools } from './channel.ts';
import { createDial } from './dial.ts';
import { sendEmail } from './email.ts';
import { sendOpsgenie } from './opsgenie.ts';
import { sendPagerDuty } from './pagerduty.ts';
import { createPost } from './post.ts';
import { sendSlack } from './slack.ts';
import { sendTeams } from './teams.ts';
import { sendRunbook, sendWebhook } from './webhook.ts';

const deadlineMs = 10_000;

/** A receiver named by variables of its own; no secrets: its requests are not signed. */
interface OwnWebhook {
  readonly url: string;
  readonly secrets: readonly string[];
}

export interface OpenSettings {
  /** CERT_NOTIFY_CHANNELS; null when not set. */
  readonly config: NotifyConfig | null;
  /** Told every alert. */
  readonly alertWebhook: OwnWebhook | null;
  /** Told every runbook trigger. */
  readonly runbook: OwnWebhook | null;
  /** Ranges that are not public and may be reached. */
  readonly allowedCidrs: readonly string[];
  /** Whether 127.0.0.0/8 and ::1 may be reached. */
  readonly loopback: boolean;
  /** `address[:port]`; empty: those of the system. */
  readonly nameServers: readonly string[];
  /** How often firing alerts are told again to channels that have `refresh`. */
  readonly refreshIntervalMs: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** PEM certificates to be trusted beside those of the system. */
  readonly trustedCas?: readonly string[];
  /** Time for one try; 10 s when absent. */
  readonly deadlineMs?: number;
}

/** Every configured channel by its name, and whom to tell what: for `channelsFor`. */
export interface Channels {
  readonly channels: ReadonlyMap<string, Channel>;
  readonly routing: Routing;
}

const alerting: ChannelTraits = { kinds: ['alert'], resolves: true };
/** A runbook is triggered; there is nothing to do for it when the trouble is over. */
const triggering: ChannelTraits = { kinds: ['runbook'], resolves: false };

const sendBy = (settings: ChannelSettings, tools: Tools, notice: Notice): Promise<Delivery> => {
  switch (settings.type) {
    case 'webhook':
      return sendWebhook(notice, settings, tools);
    case 'runbook':
      return sendRunbook(notice, settings, tools);
    case 'slack':
      return sendSlack(notice, settings, tools);
    case 'teams':
      return sendTeams(notice, settings, tools);
    case 'pagerduty':
      return sendPagerDuty(notice, settings, tools);
    case 'opsgenie':
      return sendOpsgenie(notice, settings, tools);
    case 'alertmanager':
      return sendAlertmanager(notice, settings, tools);
    case 'email':
      return sendEmail(notice, settings, tools);
  }
};

const channelOf = (name: string, settings: ChannelSettings, tools: Tools): Channel => ({
  name,
  type: settings.type,
  ...(settings.type === 'runbook' ? triggering : alerting),
  send: (notice) => sendBy(settings, tools, notice),
  ...(settings.type === 'alertmanager' && { refresh: (firing) => refreshAlertmanager(firing, settings, tools) }),
});

const own = (name: string, type: 'webhook' | 'runbook', webhook: OwnWebhook | null): [string, ChannelSettings][] =>
  webhook === null ? [] : [[name, { type, url: webhook.url, secret: [...webhook.secrets] }]];

const toolsOf = (settings: OpenSettings): Tools => {
  const { allowedCidrs, loopback, nameServers, now, refreshIntervalMs, trustedCas } = settings;
  const base = {
    dial: createDial(createResolver(nameServers), addressGuard({ allowedCidrs, loopback })),
    now,
    refreshIntervalMs,
    deadlineMs: settings.deadlineMs ?? deadlineMs,
    trustedCas: trustedCas && [...getCACertificates('default'), ...trustedCas],
  };
  return { ...base, post: createPost(base) };
};

/**
 * Makes the channels. Nothing is connected to before a notice is sent, and nothing stays open after it.
 *
 * @throws Error when a range of `allowedCidrs` is not CIDR.
 */
export const openChannels = (settings: OpenSettings): Channels => {
  const tools = toolsOf(settings);
  const always = [
    ...own(ownChannelNames.alerts, 'webhook', settings.alertWebhook),
    ...own(ownChannelNames.runbook, 'runbook', settings.runbook),
  ];
  const all = [...always, ...(settings.config?.channels ?? [])];
  const channels = new Map(all.map(([name, one]) => [name, channelOf(name, one, tools)]));
  return {
    channels,
    routing: { channels, always: always.map(([name]) => name), routes: settings.config?.routes ?? [] },
  };
};
