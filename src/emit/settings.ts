import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseTime } from '../lifecycle/time.ts';
import { EmitInputError } from './certificate.ts';
import type { CertificateFacts } from './certificate.ts';
import type { Target } from './send.ts';

/** Variables by name; an unset one is undefined or absent. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Options of the command line that say where to and as whom; each falls back to its variable. */
export interface SettingOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly source?: string;
  readonly cluster?: string;
  readonly keyFile?: string;
  readonly spool?: string;
}

/**
 * Works out the target from options and environment. Secrets come from a file or a variable, never from an argument.
 *
 * @throws EmitInputError that names the option and the variable to set.
 */
export const readTarget = (options: SettingOptions, env: Env): Target => {
  const source = identity(options.source ?? env['NOTAFTER_SOURCE']);
  const cluster = identity(options.cluster ?? env['NOTAFTER_CLUSTER']);
  const token = readSecret('--token-file', options.tokenFile, 'NOTAFTER_INGEST_TOKEN', env);
  const secret = readSecret('--key-file', options.keyFile, 'NOTAFTER_SOURCE_KEY', env);
  if (source === undefined)
    throw new EmitInputError('Set --source or NOTAFTER_SOURCE to the name this host reports as.');
  if (token === undefined) {
    throw new EmitInputError(
      'Set --token-file, NOTAFTER_INGEST_TOKEN or NOTAFTER_INGEST_TOKEN_FILE to the ingest token.',
    );
  }
  if (secret !== undefined && cluster === undefined) {
    throw new EmitInputError('Set --cluster or NOTAFTER_CLUSTER: a key belongs to a source and a cluster.');
  }
  return { url: readUrl(options.url ?? env['NOTAFTER_URL']), token, source, cluster, secret };
};

/** The directory where events wait: `--spool`, `NOTAFTER_SPOOL`, or `.notafter/spool` in the home directory. */
export const spoolDirectory = (options: SettingOptions, env: Env): string =>
  options.spool ?? env['NOTAFTER_SPOOL'] ?? join(env['HOME'] ?? homedir(), '.notafter', 'spool');

/**
 * Reads when a renewal is due: a time (RFC 3339 or epoch milliseconds), or a share of the lifetime such as `80%`.
 *
 * @returns epoch milliseconds. @throws EmitInputError when it is neither, or a share without a certificate.
 */
export const renewalDue = (value: string, certificate: CertificateFacts | undefined): number => {
  const share = /^(\d{1,2}|100)%$/.exec(value);
  if (share === null) {
    const time = parseTime(/^\d+$/.test(value) ? Number(value) : value);
    if (time === null)
      throw new EmitInputError('--renewal-due must be a time such as 2027-01-31T00:00:00Z, or a share such as 80%.');
    return time;
  }
  if (certificate === undefined) throw new EmitInputError('--renewal-due as a share of the lifetime needs --pem.');
  const { notBefore, notAfter } = certificate;
  return Math.round(notBefore + ((notAfter - notBefore) * Number(share[1])) / 100);
};

// The server compares both in lower case, and the body must agree with the headers.
const identity = (value: string | undefined): string | undefined => {
  const name = value?.trim().toLowerCase();
  return name === '' ? undefined : name;
};

const readUrl = (value: string | undefined): string => {
  const url = value === undefined ? null : URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw new EmitInputError(
      'Set --url or NOTAFTER_URL to the address of the server, such as https://notafter.example.com.',
    );
  }
  return url.origin + url.pathname;
};

const readSecret = (option: string, file: string | undefined, variable: string, env: Env): string | undefined => {
  const value = file === undefined ? env[variable] : undefined;
  const path = file ?? env[`${variable}_FILE`];
  if (value !== undefined && value !== '') return value;
  if (path === undefined || path === '') return undefined;
  const secret = readText(path, `The file of ${option} or ${variable}_FILE cannot be read.`).trim();
  if (secret === '') throw new EmitInputError(`The file of ${option} or ${variable}_FILE is empty.`);
  return secret;
};

/** Reads a whole text file, `-` for standard input. @throws EmitInputError with `problem` when it cannot be read. */
export const readText = (path: string, problem: string): string => {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    throw new EmitInputError(problem, { cause });
  }
};
