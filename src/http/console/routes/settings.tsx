import { type Context, Hono } from 'hono';
import { type Config, settingsOf } from '../../../config.ts';
import { readNotificationStats } from '../../../db/notification-counts.ts';
import { readPolicyReport } from '../../../db/policy.ts';
import { readRetention } from '../../../db/retention.ts';
import { ownChannelNames } from '../../../lifecycle/notify-config.ts';
import { retentionDays } from '../../../lifecycle/retention.ts';
import type { HttpEnv } from '../../env.ts';
import { strictQuery } from '../../filters.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { answerPage } from '../page.tsx';
import { SettingsPage, settingsTitle, type ShownChannel } from '../pages/settings.tsx';
import { readFilters } from '../query.ts';
import { findingsOf } from '../settings-findings.ts';

const configured = (config: Config): Omit<ShownChannel, 'stats'>[] => {
  const { CERT_ALERT_WEBHOOK_URL: alerts, CERT_RUNBOOK_WEBHOOK_URL: runbook, CERT_NOTIFY_CHANNELS: more } = config;
  const routesTo = (name: string): number =>
    (more?.routes ?? []).filter(({ channels }) => channels.includes(name)).length;
  return [
    ...(alerts === undefined ? [] : [{ name: ownChannelNames.alerts, type: 'webhook, every alert', routes: 0 }]),
    ...(runbook === undefined ? [] : [{ name: ownChannelNames.runbook, type: 'runbook, every trigger', routes: 0 }]),
    ...[...(more?.channels ?? [])].map(([name, { type }]) => ({ name, type, routes: routesTo(name) })),
  ];
};

const channelsOf = (c: Context<HttpEnv>): Promise<ShownChannel[]> => {
  const { config, db } = c.var.ctx;
  return Promise.all(
    configured(config).map(async (channel) => ({
      ...channel,
      stats: await readNotificationStats(db, { channel: channel.name }),
    })),
  );
};

const show = async (c: Context<HttpEnv>) => {
  const { config, db, queues } = c.var.ctx;
  readFilters(c, strictQuery({}));
  const [channels, report, states] = await Promise.all([
    attempt(c, 'the channels', channelsOf(c)),
    attempt(c, 'the report of the replay policy', readPolicyReport(db)),
    attempt(c, 'what retention did', readRetention(db)),
  ]);
  const policy = {
    enabled: config.CERT_DLQ_AUTO_REPLAY_ENABLED,
    dryRun: config.CERT_DLQ_AUTO_REPLAY_DRY_RUN,
    report,
  };
  const retention = states === null ? null : { days: retentionDays(config), states };
  const props = { settings: settingsOf(config), findings: findingsOf(config), channels, policy, retention };
  return answerPage(c, { title: settingsTitle(props) }, <SettingsPage {...props} backend={queues.backend} />);
};

/** The configuration, to be read. */
export const settingsPages = () =>
  new Hono<HttpEnv>().get('/console/settings', page({ role: 'viewer', scope: 'all' }), show);
