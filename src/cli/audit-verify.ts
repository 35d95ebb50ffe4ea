import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Config, parseConfig } from '../config.ts';
import { auditSecretFile, secretsDir } from '../credentials.ts';
import { parseObject } from '../emit/json.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { ChainEnd } from '../lifecycle/audit-chain.ts';
import { adminToken, CommandError, refusal } from './api-client.ts';
import { readBy, withApi } from './events.ts';
import { type CliIo, membersOf } from './io.ts';
import { printable } from './table.ts';

/** Options of `audit verify`. */
export interface VerifyOptions {
  readonly offline?: boolean;
  readonly checkpoint?: string;
  readonly json?: boolean;
}

type Report = Readonly<Record<string, unknown>>;

const place = (text: string): ChainEnd | null => {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text.trim()) ?? [];
  return seq === undefined || hash === undefined ? null : { seq: Number(seq), hash: hash.toLowerCase() };
};

const inFile = (text: string): ChainEnd | null => {
  const members = parseObject(text);
  const { seq, hash } = 'checkpoint' in members ? membersOf(members['checkpoint']) : members;
  // Without a terminal it is printed as JSON; with one, as `seq:hash` and what is known of it.
  return place(`${String(seq)}:${String(hash)}`) ?? place(text.trim().split(/\s/, 1).join(''));
};

/** A checkpoint as `seq:hash`, or in a file: as `audit checkpoint` prints it, or as it stands in the program's log. */
const keptCheckpoint = (given: string): ChainEnd => {
  const direct = place(given);
  if (direct !== null) return direct;
  let text: string;
  try {
    text = readFileSync(given, 'utf8');
  } catch {
    throw new CommandError('the file of --checkpoint cannot be read, and it is not of the form seq:hash');
  }
  const found = inFile(text);
  if (found === null) throw new CommandError('the file of --checkpoint holds no checkpoint: it needs seq and hash');
  return found;
};

/** Where the server's environment says that the database is. @throws CommandError that names what cannot be used */
const databaseOf = (env: CliIo['env']): Pick<Config, 'DATABASE_URL' | 'DATABASE_CA'> => {
  const names = ['DATABASE_URL', 'DATABASE_CA'].flatMap((name) => [name, `${name}_FILE`]);
  try {
    return parseConfig(Object.fromEntries(names.map((name) => [name, env[name]])), (file) =>
      readFileSync(file, 'utf8'),
    );
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(error.problems.join('; ')) : error;
  }
};

/** The secrets of the server's environment, or the one that `npm start` generated; none where there are neither. */
const signingSecrets = (env: CliIo['env']): readonly string[] => {
  const names = ['CERT_AUDIT_SIGNING_SECRET', 'CERT_AUDIT_SIGNING_SECRET_FILE'];
  const own = Object.fromEntries(names.map((name) => [name, env[name]]));
  const given = parseConfig(own, (file) => readFileSync(file, 'utf8')).CERT_AUDIT_SIGNING_SECRET;
  if (given !== undefined) return given;
  try {
    return [readFileSync(path.join(secretsDir(env['NOTAFTER_DATA_DIR'] ?? '.data'), auditSecretFile), 'utf8').trim()];
  } catch {
    return [];
  }
};

/** Checks the log in the database itself, with nothing between. */
const offline = async (io: CliIo, kept: readonly ChainEnd[]): Promise<Report> => {
  const { DATABASE_URL: url, DATABASE_CA: ca } = databaseOf(io.env);
  if (url === undefined) throw new CommandError('--offline needs DATABASE_URL');
  // Read only here: what a database takes is most of the program.
  const [{ connectDb }, { walkAudit }] = [await import('../db/client.ts'), await import('../db/audit-walk.ts')];
  try {
    const secrets = signingSecrets(io.env);
    const db = connectDb(url, { max: 1, name: 'notafter audit verify', ca });
    try {
      const onProgress = (rows: number): void => io.progress?.(`${rows} rows checked`);
      return { ...(await walkAudit(db, { secrets, kept, now: io.now(), onProgress })) };
    } finally {
      await db.close();
    }
  } catch (error) {
    const why = error instanceof ConfigError ? error.problems.join('; ') : messageOf(error);
    throw new CommandError(`the log cannot be read: ${why}`);
  } finally {
    io.progress?.('');
  }
};

/** The lines of an answer that comes bit by bit; the last one is the answer itself. */
const lastLine = async (io: CliIo, body: ReadableStream<Uint8Array>): Promise<Report> => {
  const decoder = new TextDecoder();
  let rest = '';
  let last = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    last = lines.at(-1) ?? last;
    if (lines.length > 0) io.progress?.(`${printable(parseObject(last)['rows'])} rows checked`);
  }
  return parseObject(last);
};

/** Has the server check the log; it takes as long as it takes. */
const online = async (io: CliIo, url: string, kept: ChainEnd | undefined): Promise<Report> => {
  const query = kept === undefined ? '' : `?checkpoint=${kept.seq}:${kept.hash}`;
  try {
    const response = await io.fetch(`${url}/v1/admin/audit/verify${query}`, {
      redirect: 'manual',
      headers: { authorization: `Bearer ${adminToken(io.env) ?? ''}`, accept: 'application/x-ndjson' },
    });
    const { status, headers } = response;
    if (status !== 200 || response.body === null)
      throw new CommandError(refusal({ status, headers, body: parseObject(await response.text()) }));
    return await lastLine(io, response.body);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`the check broke off (${messageOf(error)}): run it again`);
  } finally {
    io.progress?.('');
  }
};

const tell = (io: CliIo, report: Report): void => {
  const last = membersOf(report['last']);
  if (report['ok'] === true)
    io.stdout(`whole: ${printable(report['rows'])} rows, up to ${printable(last['seq'])}:${printable(last['hash'])}`);
  else io.stdout(`BROKEN: ${printable(membersOf(report['problem'])['message'])}`);
  const signed =
    report['signed'] === true ? 'their signatures checked' : 'their signatures not checked: no secret is set';
  io.stdout(`${printable(report['checkpoints'])} checkpoints, ${signed}`);
};

/** Checks the chain of the audit log. @returns 1 when it is broken or cannot be checked. */
export const verifyAudit = (io: CliIo, options: VerifyOptions): Promise<number> => {
  const work = async (url: string): Promise<number> => {
    const kept = options.checkpoint === undefined ? undefined : keptCheckpoint(options.checkpoint);
    const report =
      options.offline === true ? await offline(io, kept === undefined ? [] : [kept]) : await online(io, url, kept);
    if (typeof report['ok'] !== 'boolean')
      throw new CommandError(`the log was not checked: ${printable(report['message'])}`);
    if (readBy(io, options.json) === null) io.stdout(JSON.stringify(report));
    else tell(io, report);
    return report['ok'] ? 0 : 1;
  };
  return options.offline === true
    ? withoutApi(io, () => work(''))
    : withApi(io, 'audit verify', ({ url }) => work(url));
};

const withoutApi = async (io: CliIo, work: () => Promise<number>): Promise<number> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    io.stderr(`notafter audit verify: ${error.message}`);
    return 1;
  }
};
