import type { Env } from '../../emit/settings.ts';
import { ask, type Probe } from '../doctor/server.ts';

/** Where the metrics of a server are: its own host, the port of CERT_METRICS_PORT. */
export const metricsUrl = (url: string, env: Env): string => {
  const address = new URL(url);
  address.protocol = 'http:';
  address.port = env['CERT_METRICS_PORT'] ?? '9465';
  return address.origin;
};

const series = /^fdt_cert_notifications_total\{(?:[^}]*,)?channel="([^"]*)"/gm;

/**
 * The receivers that a server tells, as its metrics name them: a channel has its counters from the start of the server on.
 *
 * @returns their names, or null when the metrics cannot be read from here
 */
export const channelsOf = async (probe: Probe, url: string): Promise<readonly string[] | null> => {
  const page = await ask(probe, `${url}/metrics`);
  if ('why' in page || page.status !== 200 || !page.text.includes('fdt_cert_')) return null;
  return [...new Set([...page.text.matchAll(series)].map(([, channel = '']) => channel))];
};
