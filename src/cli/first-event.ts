import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { type CertificateFacts, EmitInputError } from '../emit/certificate.ts';
import { buildEvents } from '../emit/event.ts';
import { sendEvent, type Target } from '../emit/send.ts';
import { readTarget } from '../emit/settings.ts';
import { normalizeDomain } from '../lifecycle/domain-name.ts';
import { type ApiClient, apiClient, CommandError } from './api-client.ts';
import type { EmitIo } from './emit.ts';
import { membersOf } from './io.ts';
import { selfCommand } from './self.ts';

const dayMs = 86_400_000;
const patienceMs = 20_000;
const pollMs = 100;

/** Makes the `first-event` subcommand: a domain, a signed event about it, and what became of it. */
export const firstEventCommand = (io: EmitIo): Command =>
  new Command('first-event')
    .description('register a domain, send one signed event about it and show it being applied')
    .argument('<name>', 'host name, such as shop.example.com')
    .addHelpText(
      'after',
      '\nThe certificate in the event is made up; the name need not exist. Beside the server that npm start runs nothing\nhas to be set; elsewhere set NOTAFTER_URL, NOTAFTER_TOKEN_FILE, NOTAFTER_INGEST_TOKEN_FILE, NOTAFTER_SOURCE,\nNOTAFTER_CLUSTER and NOTAFTER_SOURCE_KEY_FILE.',
    )
    .action(async (name: string) => {
      process.exitCode = await runFirstEvent(io, name);
    });

/** Runs the command. @returns 0 when the event is applied, 1 when something has to be mended, 3 when it still waits. */
export const runFirstEvent = async (io: EmitIo, name: string): Promise<0 | 1 | 3> => {
  try {
    const domain = normalizeDomain(name);
    if (domain === null) throw new CommandError('the name must be a host name, such as shop.example.com');
    const api = apiClient(io);
    const target = readTarget({}, io.env);
    const type = await register(io, api, domain);
    const eventId = await send(io, target, domain, type);
    return await follow(io, api, domain, eventId);
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof EmitInputError)) throw error;
    io.stderr(`notafter first-event: ${error.message}`);
    return 1;
  }
};

type Success = 'issuance_succeeded' | 'renewal_succeeded';

/** Registers the domain where it is not yet; one that has a certificate already gets a renewal. */
const register = async ({ stdout }: EmitIo, api: ApiClient, domain: string): Promise<Success> => {
  const path = domainPath(domain);
  const known = await api.call('GET', path);
  if (known.status === 404) {
    const settings = {
      verified: true,
      tlsMode: 'termination',
      region: 'local',
      failurePolicy: 'standard',
      probeMode: 'off',
    };
    await api.expect('PUT', path, { body: settings });
    stdout(`registered  ${domain} in region local: waits for its certificate`);
    return 'issuance_succeeded';
  }
  const { body } = known.status === 200 ? known : await api.expect('GET', path);
  stdout(`known       ${domain} is registered already`);
  return membersOf(body['domain'])['certificate_ref'] === null ? 'issuance_succeeded' : 'renewal_succeeded';
};

const madeUp = (domain: string, now: number): CertificateFacts => {
  const sha256 = createHash('sha256').update(`${domain} ${now}`).digest('hex').toUpperCase();
  return {
    sha256,
    certificateRef: `sha256:${sha256}`,
    names: [domain],
    notBefore: now,
    notAfter: now + 90 * dayMs,
    serial: sha256.slice(0, 32),
    issuer: 'CN=notafter first-event',
  };
};

const send = async (io: EmitIo, target: Target, domain: string, eventType: Success): Promise<string> => {
  const now = io.now();
  const certificate = madeUp(domain, now);
  const [event] = buildEvents({
    ...target,
    client: 'first-event',
    happening: { eventType },
    occurredAt: now,
    domains: [domain],
    certificate,
    renewalDueAt: now + 60 * dayMs,
    nonce: '',
    host: hostname(),
  });
  if (event === undefined) throw new CommandError('there is no event to send');
  const result = await sendEvent({ target, fetch: io.fetch, now: io.now, timeoutMs: 10_000 }, event.body);
  if (result.kind !== 'accepted') throw new CommandError(`the event was not taken: ${result.message}`);
  const signed = target.secret === undefined ? 'not signed' : `signed as ${target.source}:${target.cluster ?? ''}`;
  io.stdout(`sent        ${eventType}, ${signed}: 202, event ${result.eventId}`);
  return result.eventId;
};

/** Waits until the event is applied, then shows what it did. */
const follow = async (io: EmitIo, api: ApiClient, domain: string, eventId: string): Promise<0 | 1 | 3> => {
  const deadline = io.now() + patienceMs;
  for (;;) {
    const event = (await api.expect('GET', `/v1/admin/cert-events/${eventId}`)).body['event'];
    const status = textOf(event, 'status');
    if (status === 'applied') {
      const ms = Date.parse(textOf(event, 'processed_at')) - Date.parse(textOf(event, 'created_at'));
      io.stdout(`applied     ${ms} ms after it was received`);
      return show(io, api, domain);
    }
    if (status === 'failed') {
      io.stderr(`notafter first-event: the event failed: ${textOf(event, 'last_error')}`);
      return 1;
    }
    if (io.now() > deadline) {
      io.stderr('notafter first-event: the event still waits: run notafter doctor to see whether a worker runs');
      return 3;
    }
    await sleep(pollMs);
  }
};

const show = async (io: EmitIo, api: ApiClient, domain: string): Promise<0> => {
  const row = (await api.expect('GET', domainPath(domain))).body['domain'];
  io.stdout(
    `now         ${domain} is ${textOf(row, 'tls_status')}, its certificate ends ${textOf(row, 'tls_not_after')}`,
  );
  const { PORT: port = '8080', NOTAFTER_DATA_DIR: dataDir = '.data' } = io.env;
  io.stdout('');
  io.stdout(`Its history: ${selfCommand({ port: Number(port), dataDir }, process.cwd())} domains show ${domain}`);
  return 0;
};

const domainPath = (domain: string): string => `/v1/admin/domains/${encodeURIComponent(domain)}`;

/** A member of an answer as text; empty when it is not there. */
const textOf = (value: unknown, name: string): string => {
  const member = membersOf(value)[name];
  return typeof member === 'string' ? member : '';
};
