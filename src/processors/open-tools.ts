import type { Ctx } from '../context.ts';
import { messageOf, StartError } from '../errors.ts';
import { type Channels, openChannels } from '../notify/open.ts';
import { createAriClient } from '../probe/ari.ts';
import { createProber } from '../probe/prober.ts';
import { refreshAlertsMs } from '../queues/catalog.ts';
import type { WorkTools } from './tools.ts';

/** The clients that look at certificates and ask CAs about them. @throws StartError when the trusted CAs cannot be read. */
const probeClients = ({ config, metrics, now, elapsed }: Ctx): Pick<WorkTools, 'prober' | 'ari'> => {
  const reach = {
    allowedCidrs: config.CERT_PROBE_ALLOWED_CIDRS ?? [],
    refusedCidrs: config.CERT_PROBE_REFUSED_CIDRS ?? [],
    trustedCaPem: config.CERT_PROBE_TRUSTED_CA ?? null,
    dnsServers: config.NOTAFTER_DNS_SERVERS ?? [],
    now,
  };
  try {
    const prober = createProber({
      ...reach,
      elapsed,
      allowedPorts: config.CERT_PROBE_ALLOWED_PORTS,
      timeoutMs: config.TLS_PROBE_TIMEOUT_SECONDS * 1000,
      fullOnly: config.CERT_PROBE_FULL_ONLY,
      onHandshake: (depth, seconds) => metrics.probeDuration.observe({ depth }, seconds),
    });
    return { prober, ari: createAriClient(reach) };
  } catch (error) {
    throw new StartError(`probes cannot be set up (${messageOf(error)}): check CERT_PROBE_TRUSTED_CA`);
  }
};

const channelsFrom = ({ config, now }: Ctx): Channels => {
  const { CERT_ALERT_WEBHOOK_URL: alerts, CERT_RUNBOOK_WEBHOOK_URL: runbook } = config;
  return openChannels({
    config: config.CERT_NOTIFY_CHANNELS ?? null,
    alertWebhook: alerts === undefined ? null : { url: alerts, secrets: config.CERT_ALERT_WEBHOOK_SECRET ?? [] },
    runbook: runbook === undefined ? null : { url: runbook, secrets: config.CERT_RUNBOOK_SIGNING_SECRET ?? [] },
    allowedCidrs: config.CERT_WEBHOOK_ALLOWED_CIDRS ?? [],
    loopback: config.CERT_DEPLOYMENT_ENV === 'dev',
    nameServers: config.NOTAFTER_DNS_SERVERS ?? [],
    refreshIntervalMs: refreshAlertsMs,
    now,
  });
};

/** Opens what the jobs work with, as the environment says. @throws StartError when it cannot be used. */
export const openWorkTools = (ctx: Ctx, given: Pick<WorkTools, 'stopping' | 'random'>): WorkTools => ({
  ...given,
  ...probeClients(ctx),
  notify: channelsFrom(ctx),
});
