import type { Delivery } from '../lifecycle/delivery.ts';
import type { FiringAlert, NoticeClass } from '../lifecycle/notice.ts';
import type { ChannelSettings } from '../lifecycle/notify-config.ts';
import type { Send, Tools } from './channel.ts';
import { factsOf, subjectOf } from './wording.ts';

const batch = 500;
const alertNames: Readonly<Record<NoticeClass, string>> = {
  tls_error: 'CertificateTlsError',
  expiring: 'CertificateExpiring',
  renewal_sla_warning: 'CertificateRenewalSlaWarning',
  renewal_sla_breach: 'CertificateRenewalSlaBreach',
  drift: 'CertificateDrift',
  dead_letters: 'CertificateDeadLetters',
  dead_letters_exhausted: 'CertificateDeadLettersExhausted',
  source_silent: 'CertificateSourceIsSilent',
  error_spike: 'CertificateEventErrorSpike',
  replay_loop: 'CertificateReplayLoop',
};

/** Labels are an alert's identity and stay the same while it fires; all that can change is an annotation. */
const alertOf = (
  alert: FiringAlert,
  { generatorUrl }: ChannelSettings<'alertmanager'>,
  now: number,
  endsAt: number,
): Record<string, unknown> => ({
  labels: {
    alertname: alertNames[alert.class],
    // What is no domain is told apart by the first part of its key.
    ...(alert.domain === null ? { subject: subjectOf(alert) } : { domain: alert.domain }),
    class: alert.class,
    severity: alert.severity,
    route: alert.route,
    ...(alert.orgId !== null && { org: alert.orgId }),
  },
  annotations: {
    summary: alert.summary,
    description: factsOf(alert)
      .map(([name, text]) => `${name}: ${text}`)
      .join('\n'),
    alert_key: alert.alertKey,
  },
  // A clock that runs ahead must not make an alert that starts after it ends: it would be refused.
  startsAt: new Date(Math.min(alert.firedAt, now)).toISOString(),
  endsAt: new Date(endsAt).toISOString(),
  ...(generatorUrl !== undefined && { generatorURL: generatorUrl }),
});

const push = (
  alerts: readonly unknown[],
  { url }: ChannelSettings<'alertmanager'>,
  tools: Tools,
): Promise<Delivery> => {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  const headers = { 'content-type': 'application/json' };
  return tools.post({ url: target.href, headers, body: JSON.stringify(alerts), secrets: [] });
};

/** A firing alert ends by itself when three repeats of it have failed to come. */
const endOf = (tools: Tools): number => tools.now() + 3 * tools.refreshIntervalMs;

/** Posts one alert to Alertmanager's API v2; a resolve is the same alert that ends now. */
export const sendAlertmanager: Send<'alertmanager'> = (notice, settings, tools) => {
  const now = tools.now();
  const endsAt = notice.action === 'resolve' ? now : endOf(tools);
  return push([alertOf(notice, settings, now, endsAt)], settings, tools);
};

/** Tells Alertmanager again what fires, in batches; the first batch that fails ends it. */
export const refreshAlertmanager = async (
  firing: readonly FiringAlert[],
  settings: ChannelSettings<'alertmanager'>,
  tools: Tools,
): Promise<Delivery> => {
  let delivery: Delivery = { kind: 'sent', status: null, snippet: null };
  for (let start = 0; start < firing.length && delivery.kind === 'sent'; start += batch) {
    const alerts = firing
      .slice(start, start + batch)
      .map((alert) => alertOf(alert, settings, tools.now(), endOf(tools)));
    delivery = await push(alerts, settings, tools);
  }
  return delivery;
};
