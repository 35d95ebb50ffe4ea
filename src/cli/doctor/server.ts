import { createServer } from 'node:net';
import type { Config } from '../../config.ts';
import { parseObject } from '../../emit/json.ts';
import type { Env } from '../../emit/settings.ts';
import { type Check, fail, ok, warn } from './check.ts';

const timeoutMs = 5000;
const smallSkewMs = 5000;

/** How a server is looked at; `now` gives epoch milliseconds. */
export interface Probe {
  readonly fetch: typeof globalThis.fetch;
  readonly now: () => number;
}

/** What stands at an address: an answer, or why there is none. */
export type Page =
  | { readonly status: number; readonly text: string; readonly headers: Headers; readonly askedAt: number }
  | { readonly why: string };

/** Where the metrics of a server are: its own host, the port of CERT_METRICS_PORT. */
export const metricsUrl = (url: string, env: Env): string => {
  const address = new URL(url);
  address.protocol = 'http:';
  address.port = env['CERT_METRICS_PORT'] ?? '9465';
  return address.origin;
};

/** Asks once. Never rejects. */
export const ask = async ({ fetch, now }: Probe, url: string, init: RequestInit = {}): Promise<Page> => {
  const askedAt = now();
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs), ...init });
    return { status: response.status, text: await response.text(), headers: response.headers, askedAt };
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer in time';
    return { why: code };
  }
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const trial = createServer();
    trial.once('error', () => resolve(false));
    trial.listen(port, () => trial.close(() => resolve(true)));
  });

const start = 'start it: npm start, or notafter all, serve or work';

/** Why nothing answers at an address that should be notafter's. */
const silent = async (name: string, url: string, variable: string, why: string): Promise<Check> => {
  const { hostname, port } = new URL(url);
  const local = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
  if (!local)
    return fail(name, `nothing answers at ${url} (${why})`, 'start the server, or set NOTAFTER_URL to its address');
  if (why === 'ECONNREFUSED' && (await isFree(Number(port)))) {
    return fail(name, `notafter does not run: port ${port} is free`, start);
  }
  return fail(name, `port ${port} is taken by something that does not answer (${why})`, `end it, or set ${variable}`);
};

const readyChecks = (text: string): string | null => {
  const { checks } = parseObject(text);
  if (typeof checks !== 'object' || checks === null) return null;
  return Object.entries(checks)
    .map(([part, state]) => `${part} ${String(state)}`)
    .join(', ');
};

/** Whether /readyz of the API says ready, and whether anything is degraded. */
export const checkApi = async (probe: Probe, url: string): Promise<{ checks: Check[]; page: Page }> => {
  const page = await ask(probe, `${url}/readyz`);
  if ('why' in page) return { page, checks: [await silent('api', url, 'PORT', page.why)] };
  const said = readyChecks(page.text);
  if (said === null)
    return { page, checks: [fail('api', `${url} is another program`, 'end it, or set PORT to a free one')] };
  if (page.status !== 200)
    return { page, checks: [fail('api', `${url} is not ready: ${said}`, 'see the checks of its parts')] };
  const degraded = said.includes('degraded');
  return {
    page,
    checks: [
      degraded
        ? warn('api', `${url} is ready, with ${said}`, 'events are accepted and wait: mend the queue or start a worker')
        : ok('api', `${url} is ready (${said})`),
    ],
  };
};

/** The clock here against the server's Date header; a signature is good for `maxAgeSeconds` only. */
export const checkClock = (page: Page, now: number, maxAgeSeconds: number): Check[] => {
  const date = 'why' in page ? null : page.headers.get('date');
  if (date === null || 'why' in page || Number.isNaN(Date.parse(date))) return [];
  // The header is cut to the second: the middle of that second is the best guess, half the way of the answer another.
  const skew = Math.abs(Date.parse(date) + 500 - (page.askedAt + now) / 2);
  const seconds = `${Math.round(skew / 1000)} s away from the server's`;
  if (skew <= smallSkewMs) return [ok('clock', 'agrees with the server')];
  return skew > maxAgeSeconds * 1000
    ? [fail('clock', `${seconds}: signatures made here are refused`, 'set the clock, with NTP')]
    : [warn('clock', seconds, 'set the clock, with NTP')];
};

/** The samples of an exposition by name with labels. */
const samplesOf = (text: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );

/**
 * Whether /metrics answers, and what it says about queues, pending events and dead letters.
 *
 * @param elsewhere true on a host that only talks to the server: the port is not for it, so that no answer is no fault
 */
export const checkMetrics = async (probe: Probe, url: string, config: Config, elsewhere: boolean): Promise<Check[]> => {
  const page = await ask(probe, `${url}/metrics`);
  if ('why' in page && elsewhere)
    return [ok('metrics', `not looked at: ${url} does not answer this host (${page.why})`)];
  if ('why' in page) return [await silent('metrics', url, 'CERT_METRICS_PORT', page.why)];
  const samples = samplesOf(page.text);
  const generated = samples.get('fdt_cert_metrics_generated_at_seconds');
  if (page.status !== 200 || generated === undefined) {
    return [fail('metrics', `${url} is another program`, 'end it, or set CERT_METRICS_PORT to a free one')];
  }
  const age = probe.now() / 1000 - generated;
  return [
    age > 60
      ? warn('metrics', `the gauges are ${Math.round(age)} s old`, 'the database does not answer the server in time')
      : ok('metrics', `${url}/metrics answers`),
    queueCheck(samples),
    pendingCheck(samples, probe.now() / 1000, config),
    deadCheck(samples.get('fdt_cert_events_failed_total') ?? 0),
  ];
};

const queueCheck = (samples: ReadonlyMap<string, number>): Check => {
  const states = ['waiting', 'active', 'delayed', 'failed'];
  const count = (state: string): number =>
    samples.get(`fdt_cert_queue_jobs{queue="cert-events",state="${state}"}`) ?? 0;
  return ok('queue', states.map((state) => `${count(state)} ${state}`).join(', '));
};

/** The longest an event may be pending when all goes as it should: every retry of the contract's backoff, and some air. */
const longestPending = ({ CERT_EVENT_MAX_RETRIES: tries, CERT_EVENT_BASE_BACKOFF_SECONDS: base }: Config): number => {
  let seconds = 300;
  for (let k = 1; k < tries; k++) seconds += Math.min(3600, base * 2 ** Math.min(k - 1, 8));
  return seconds;
};

const pendingCheck = (samples: ReadonlyMap<string, number>, now: number, config: Config): Check => {
  const pending = samples.get('fdt_cert_events_pending_total') ?? 0;
  const oldest = samples.get('fdt_cert_oldest_pending_event_timestamp_seconds') ?? 0;
  if (pending === 0 || oldest === 0) return ok('pending', 'no event waits');
  const age = Math.max(0, Math.round(now - oldest));
  const message = `${pending} wait, the oldest for ${age} s`;
  return age > longestPending(config)
    ? warn('pending', `${message}, longer than all its retries take`, 'see whether a worker runs: notafter all or work')
    : ok('pending', message);
};

const deadCheck = (dead: number): Check =>
  dead === 0
    ? ok('dead', 'no dead letters')
    : warn('dead', `${dead} dead letters`, 'see notafter dlq list, mend the cause, then notafter dlq replay');
