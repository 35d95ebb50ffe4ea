import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireBinary } from '../support/binaries.ts';
import { guardServer } from '../support/guard.ts';
import { freePort } from '../support/ports.ts';

export interface DebianPostgres {
  readonly port: number;
  readonly version: string;
  /** Of the superuser, as libpq takes it from the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly stop: () => void;
}

const installed = '/usr/lib/postgresql';

/** The newest server of the system; its tools are of the same version, as a backup needs them. */
const binFolder = (): string => {
  requireBinary('pg_ctlcluster');
  const [version] = readdirSync(installed).toSorted((a, b) => Number(b) - Number(a));
  return path.join(installed, version ?? '', 'bin');
};

/** A server refuses to run as root. */
const asOwner = (words: readonly string[]): readonly string[] =>
  process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...words] : words;

const run = ([file = '', ...args]: readonly string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });

/** Starts the system's own PostgreSQL on a folder of its own, as an installation has it: passwords over TCP. */
export const startDebianPostgres = async (): Promise<DebianPostgres> => {
  const bin = binFolder();
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-debian-'));
  const cluster = path.join(folder, 'cluster');
  guardServer(folder);
  chmodSync(folder, 0o755);
  mkdirSync(cluster, { mode: 0o700 });
  if (process.getuid?.() === 0) execFileSync('chown', ['postgres:', folder, cluster]);
  run(
    asOwner([path.join(bin, 'initdb'), '--pgdata', cluster, '--username=postgres', '--auth=trust', '--locale=C.UTF-8']),
  );
  const port = await freePort();
  const settings = `-c port=${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=64MB`;
  const ctl = [path.join(bin, 'pg_ctl'), '--pgdata', cluster, '--wait', `--log=${path.join(folder, 'log')}`];
  run(asOwner([...ctl, '-o', settings, 'start']));
  return {
    port,
    version: run([path.join(bin, 'postgres'), '--version']).trim(),
    env: { PATH: `${bin}:${process.env.PATH ?? ''}`, PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres' },
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop: () => {
      run(asOwner([...ctl, '--mode=immediate', 'stop']));
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
