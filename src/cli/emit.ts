import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EmitInputError, readCertificate } from '../emit/certificate.ts';
import type { CertificateFacts } from '../emit/certificate.ts';
import { buildEvents } from '../emit/event.ts';
import type { Happening, OutgoingEvent } from '../emit/event.ts';
import { reportJson, reportLines } from '../emit/report.ts';
import { emitEvents, exitCodeOf } from '../emit/run.ts';
import { readTarget, readText, renewalDue, spoolDirectory } from '../emit/settings.ts';
import type { Env, SettingOptions } from '../emit/settings.ts';
import { normalizeDomain } from '../lifecycle/domain-name.ts';
import { callbackActions, callbackClasses, eventTypes } from '../lifecycle/types.ts';
import type { CallbackAction, CallbackClass, EventType } from '../lifecycle/types.ts';

/** ACME clients end a hook after two minutes (lego) or wait for it (certbot): half of that leaves room. */
const budgetMs = 60_000;

/** What the command touches outside the file system. `now` gives epoch milliseconds, `stdout` and `stderr` take one line. */
export interface EmitIo {
  readonly env: Env;
  readonly now: () => number;
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
  readonly fetch: typeof globalThis.fetch;
}

/** The options of `notafter emit` as commander hands them over. */
export interface EmitOptions extends SettingOptions {
  readonly event?: EventType;
  readonly class?: CallbackClass;
  readonly action?: CallbackAction;
  readonly attempt?: number;
  readonly pem?: string;
  readonly domain?: readonly string[];
  readonly reason?: string;
  readonly renewalDue?: string;
  readonly client?: string;
  readonly eventId?: string;
  readonly timeout: number;
  readonly flush?: boolean;
  readonly hook?: boolean;
  readonly json?: boolean;
}

const helpAfter = `
Each name becomes one event; without --domain every DNS name of the certificate.
Private keys are never read: a PEM that holds one is refused.

Exit codes (always 0 with --hook):
  0  the server has every event
  1  an event was rejected (see the "rejected" directory of the spool), or token, key or clock are refused
  2  the call is wrong
  3  the server is away: events wait in the spool and go with the next run, or with --flush

Environment: NOTAFTER_URL, NOTAFTER_SOURCE, NOTAFTER_CLUSTER, NOTAFTER_INGEST_TOKEN, NOTAFTER_SOURCE_KEY (the last two
also as NAME_FILE), NOTAFTER_SPOOL, NOTAFTER_RENEWAL_DUE.`;

/** Makes the `emit` subcommand: reports the outcome of an issuance or renewal to a notafter server. */
export const emitCommand = (io: EmitIo): Command =>
  new Command('emit')
    .description('report a certificate outcome from this host')
    .option('--url <url>', 'address of the notafter server')
    .option('--source <name>', 'who reports, as in the source key')
    .option('--cluster <name>', 'where, as in the source key')
    .option('--token-file <path>', 'file with the ingest token')
    .option('--key-file <path>', 'file with the secret of this source and cluster')
    .addOption(new Option('--event <type>', 'what happened').choices(eventTypes))
    .addOption(new Option('--class <class>', 'what was attempted, with --action').choices(callbackClasses))
    .addOption(new Option('--action <action>', 'how it went, with --class').choices(callbackActions))
    .addOption(new Option('--attempt <n>', 'which attempt, 1 to 100').argParser(integer(1, 100)))
    .option('--pem <path>', 'certificate in PEM, leaf first; - for standard input')
    .option('--domain <name>', 'name to report; may be repeated', collect)
    .option('--reason <text>', 'why it failed')
    .option('--renewal-due <when>', 'when the next renewal is due: a time, or a share of the lifetime such as 80%')
    .option('--client <name>', 'the program that reports, for event ids (default: the source)')
    .option('--event-id <id>', 'id of the event instead of a made one')
    .option('--spool <dir>', 'where events wait for the server (default: ~/.notafter/spool)')
    .addOption(new Option('--timeout <seconds>', 'for one request').argParser(integer(1, 120)).default(10))
    .option('--flush', 'send what waits in the spool, and nothing else')
    .option('--hook', 'always exit with 0, so that an issuance cannot fail because of its report')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText('after', helpAfter)
    .exitOverride((error) => process.exit(error.exitCode === 0 || process.argv.includes('--hook') ? 0 : 2))
    .action(async (options: EmitOptions) => {
      process.exitCode = await runEmit(io, options);
    });

/** Runs the command. @returns the exit code; see the help text. */
export const runEmit = async (io: EmitIo, options: EmitOptions): Promise<number> => {
  try {
    const code = await emit(io, options);
    return options.hook === true ? 0 : code;
  } catch (error) {
    const expected = error instanceof EmitInputError;
    io.stderr(`notafter emit: ${expected ? error.message : `unexpected fault: ${String(error)}`}`);
    return options.hook === true ? 0 : expected ? 2 : 1;
  }
};

const emit = async (io: EmitIo, options: EmitOptions): Promise<number> => {
  const target = readTarget(options, io.env);
  const events = options.flush === true ? [] : eventsOf(io, options, target);
  const report = await emitEvents({
    sender: { target, fetch: io.fetch, now: io.now, timeoutMs: options.timeout * 1000 },
    events,
    spoolDirectory: spoolDirectory(options, io.env),
    sleep,
    ...(options.flush === true ? {} : { budgetMs }),
  });
  if (options.json === true) {
    io.stdout(JSON.stringify(reportJson(report)));
    return exitCodeOf(report);
  }
  const { out, err } = reportLines(report);
  for (const line of out) io.stdout(`notafter emit: ${line}`);
  for (const line of err) io.stderr(`notafter emit: ${line}`);
  return exitCodeOf(report);
};

const eventsOf = (
  io: EmitIo,
  options: EmitOptions,
  target: { source: string; cluster: string | undefined },
): OutgoingEvent[] => {
  const certificate =
    options.pem === undefined ? undefined : readCertificate(readText(options.pem, 'The file of --pem cannot be read.'));
  const due = options.renewalDue ?? io.env['NOTAFTER_RENEWAL_DUE'];
  return buildEvents({
    ...target,
    client: options.client ?? target.source,
    happening: happeningOf(options),
    occurredAt: occurredAt(options, certificate, io.now()),
    domains: hostNames(io, options),
    nonce: randomBytes(4).toString('hex'),
    host: hostname(),
    ...(certificate && { certificate }),
    ...(options.reason !== undefined && { reason: options.reason }),
    ...(due !== undefined && { renewalDueAt: renewalDue(due, certificate) }),
    ...(options.eventId !== undefined && { eventId: options.eventId }),
  });
};

const happeningOf = ({ event, class: cls, action, attempt }: EmitOptions): Happening => {
  if ((cls === undefined) !== (action === undefined)) throw new EmitInputError('--class and --action belong together.');
  return {
    ...(event && { eventType: event }),
    ...(cls && action && { callback: { class: cls, action } }),
    ...(attempt !== undefined && { attempt }),
  };
};

/**
 * A certificate happened when its file was written, which is the same for a hook that runs again; anything else happens now.
 * The file's time counts only within the certificate's own validity: a copy may carry any.
 */
const occurredAt = (options: EmitOptions, certificate: CertificateFacts | undefined, now: number): number => {
  const fresh =
    options.event?.endsWith('_succeeded') === true ||
    (options.action === 'succeeded' && options.class !== 'deployment');
  if (!fresh || certificate === undefined || options.pem === undefined || options.pem === '-') return now;
  const written = Math.floor(statSync(options.pem).mtimeMs);
  return written >= certificate.notBefore && written <= now ? written : now;
};

/** ACME clients also order certificates for IP addresses: a hook reports the names beside them, a person is told. */
const hostNames = (io: EmitIo, { domain = [], hook }: EmitOptions): string[] =>
  domain.flatMap((value) => {
    const name = normalizeDomain(value);
    if (name !== null) return [name];
    if (hook !== true) throw new EmitInputError('--domain must be a host name.');
    io.stderr('notafter emit: one --domain is no host name and is left out.');
    return [];
  });

const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value];

const integer =
  (min: number, max: number) =>
  (value: string): number => {
    const parsed = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (parsed >= min && parsed <= max) return parsed;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
