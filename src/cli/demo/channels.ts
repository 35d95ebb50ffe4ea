import { ask, type Probe } from '../doctor/server.ts';

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
