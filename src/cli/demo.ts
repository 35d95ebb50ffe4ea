import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EmitInputError } from '../emit/certificate.ts';
import { readTarget } from '../emit/settings.ts';
import { type ApiClient, apiClient, CommandError } from './api-client.ts';
import { channelsOf } from './demo/channels.ts';
import { type Author, type Fleet, nextEvent, planFleet } from './demo/fleet.ts';
import { seeded } from './demo/random.ts';
import { type Counts, sendAll, type SendOptions, untilStopped } from './demo/sending.ts';
import { readSummary, summaryLines } from './demo/summary.ts';
import { metricsUrl } from './doctor/server.ts';
import type { CliIo } from './io.ts';
import { serverSigners } from './local-secrets.ts';
import { printable } from './table.ts';

const hourMs = 3_600_000;
const patienceMs = 60_000;

/** The options of `notafter demo` as commander hands them over. */
export interface DemoOptions {
  readonly domains: number;
  readonly rate?: number;
  readonly seed: number;
  readonly keepGoing?: boolean;
  readonly withAlerts?: boolean;
  readonly json?: boolean;
}

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

/** Makes the `demo` subcommand: a fleet of domains with a history, through the public API only. */
export const demoCommand = (io: CliIo): Command =>
  new Command('demo')
    .description('fill a server with a small fleet of made-up domains and their events')
    .addOption(new Option('--domains <n>', 'how many domains').argParser(whole(1, 100_000)).default(200))
    .addOption(
      new Option('--rate <n>', 'events a second (default: 100, then 2 with --keep-going)').argParser(whole(1, 10_000)),
    )
    .addOption(
      new Option('--seed <n>', 'the same seed in the same hour gives the same fleet')
        .argParser(whole(0, 999_999_999))
        .default(1),
    )
    .option('--keep-going', 'go on with an event now and then until Ctrl-C')
    .option(
      '--with-alerts',
      'also where the server has notification channels, which are then told of all that goes wrong',
    )
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      [
        '',
        'All names end in .example, and nothing is probed. Some of the domains fail or are overdue, and a server with',
        'notification channels tells them: the demo refuses to fill such a server, unless it is told --with-alerts.',
        'Remove the data directory to be rid of the domains.',
      ].join('\n'),
    )
    .action(async (options: DemoOptions) => {
      const stopping = new AbortController();
      const stop = (): void => stopping.abort();
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      process.exitCode = await runDemo(io, options, stopping.signal);
    });

/** Runs the command until it is done or the signal comes. @returns 0, or 1 when something has to be mended. */
export const runDemo = async (io: CliIo, options: DemoOptions, signal: AbortSignal): Promise<0 | 1> => {
  try {
    const api = apiClient(io);
    const target = readTarget({}, io.env);
    if (options.withAlerts !== true) await nobodyIsTold(io, api.url);
    const signers = serverSigners(io.env).map((signer) => ({ ...target, ...signer }));
    await demo(io, api, options, {
      targets: signers.length > 0 ? signers : [target],
      fetch: io.fetch,
      now: io.now,
      ratePerSecond: options.rate ?? 100,
      signal,
    });
    return 0;
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof EmitInputError)) throw error;
    io.stderr(`notafter demo: ${error.message}`);
    return 1;
  } finally {
    io.progress?.('');
  }
};

/** @throws CommandError when the server has channels: made-up failures would flood whoever reads them. */
const nobodyIsTold = async (io: CliIo, url: string): Promise<void> => {
  const metrics = metricsUrl(url, io.env);
  const channels = await channelsOf(io, metrics);
  if (channels === null) {
    io.stderr(
      `notafter demo: ${metrics}/metrics cannot be read, so it is not known whether this server has notification channels; if it has, they are told of the demo`,
    );
    return;
  }
  if (channels.length === 0) return;
  const names = channels.map((name) => printable(name)).join(', ');
  throw new CommandError(
    `this server has notification channels, which the demo would flood: ${names}; use a server without them, or add --with-alerts`,
  );
};

const demo = async (io: CliIo, api: ApiClient, options: DemoOptions, sending: SendOptions): Promise<void> => {
  const { seed } = options;
  const started = io.now();
  const hour = Math.floor(started / hourMs);
  const fleet = planFleet(authorOf(seed, `demo-${seed}-${hour}`), options.domains, hour * hourMs);
  await register(api, fleet);
  const counts = await sendAll(sending, fleet.events, (sent) => io.progress?.(bar(sent, fleet.events.length)));
  if (options.keepGoing === true && !sending.signal.aborted) {
    const author = authorOf(seed + 1, `demo-${seed}-${started}`);
    if (io.progress === null) io.stderr('notafter demo: going on until SIGINT');
    await untilStopped({ ...sending, ratePerSecond: options.rate ?? 2 }, counts, {
      next: () => nextEvent(author, fleet.domains, io.now()),
      told: ({ accepted }) => io.progress?.(`${accepted} events sent, going on until Ctrl-C`),
    });
  }
  io.progress?.('waiting for the last events to be applied');
  await settled(io, api);
  await report(io, api, { fleet, counts, json: options.json === true, ms: io.now() - started });
};

const authorOf = (seed: number, prefix: string): Author => {
  let made = 0;
  return { random: seeded(seed), id: () => `${prefix}-${++made}` };
};

/** One import for the whole fleet; what is registered already gets the settings of the demo. */
const register = async (api: ApiClient, { domains }: Fleet): Promise<void> => {
  const body = domains.map((domain) => JSON.stringify(domain)).join('\n');
  const answer = await api.expect('POST', '/v1/admin/domains/import', { body, type: 'application/x-ndjson' });
  if (answer.body['failed'] !== 0) throw new CommandError('the server refused some of the domains of the demo');
};

const width = 30;

const bar = (sent: number, total: number): string => {
  const done = Math.round((sent / Math.max(1, total)) * width);
  return `events [${'#'.repeat(done)}${'.'.repeat(width - done)}] ${sent}/${total}`;
};

/** Waits until no event of a registered domain is pending, a minute at most. */
const settled = async ({ now }: CliIo, api: ApiClient): Promise<void> => {
  const deadline = now() + patienceMs;
  while (now() < deadline) {
    const { body } = await api.expect('GET', '/v1/admin/cert-events?status=pending&unresolved=false&limit=1');
    if (Array.isArray(body['events']) && body['events'].length === 0) return;
    await sleep(200);
  }
};

interface Done {
  readonly fleet: Fleet;
  readonly counts: Counts;
  readonly json: boolean;
  readonly ms: number;
}

const report = async (io: CliIo, api: ApiClient, { fleet, counts, json, ms }: Done): Promise<void> => {
  const summary = await readSummary(api);
  if (json) {
    io.stdout(JSON.stringify({ domains: fleet.domains.length, ...counts, ms, ...summary }));
    return;
  }
  io.progress?.('');
  const { accepted, duplicates, refused } = counts;
  io.stdout(
    `${fleet.domains.length} domains; ${accepted} events accepted (${duplicates} known before), ${refused} refused; ${(ms / 1000).toFixed(1)} s`,
  );
  io.stdout('');
  for (const line of summaryLines(summary, io.columns ?? 120)) io.stdout(line);
};
