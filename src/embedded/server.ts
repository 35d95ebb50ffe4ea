import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, StartError } from '../errors.ts';
import type { Account } from './account.ts';
import { dataArgument } from './cluster.ts';
import { findPostmaster, poll, removeStalePidFile, stopPostmaster } from './postmaster.ts';

/** Crash recovery replays at most max_wal_size of log; this is ample for that on a slow disk. */
export const START_MS = 120_000;
/** The whole process has 25 s to drain; a fast shutdown normally takes a tenth of a second. */
export const STOP_MS = 8_000;
const RETRIES = 20;
const RETRY_MS = 250;
const LOG_LIMIT_BYTES = 10_000_000;

const defaults: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  wal_compression: 'on',
  // Written out because a 202 promises that the event is on disk.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  log_checkpoints: 'off',
  log_timezone: 'UTC',
  timezone: 'UTC',
};

/** Where one embedded server lives and what it runs as. */
export interface Place {
  readonly dataDir: string;
  readonly cluster: string;
  readonly home: string;
  readonly account: Account;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

/** A server that this process started. */
export interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}

/**
 * Starts a server and waits until it takes connections, on `samePort` or on a free port. Tries again while what is in
 * the way goes away by itself.
 * @throws StartError with the server's own complaint.
 */
export const startServer = async (place: Place, samePort?: number): Promise<Server> => {
  for (let attempt = 1; ; attempt++) {
    const port = samePort ?? (Number(place.settings.port) || (await freePort()));
    const from = logSize(place);
    await removeStalePidFile(place.cluster);
    const child = spawnServer(place, port);
    await poll(() => hasEnded(child) || isReady(place, child), START_MS);
    if (!hasEnded(child) && isReady(place, child)) return { child, port };
    await stopPostmaster(child.pid ?? 0, STOP_MS);
    const reason = failureIn(place, from);
    // A port taken in between, or worker processes of a killed server that are about to notice.
    const passing = /Address already in use|pre-existing shared memory block/.test(reason);
    if (!passing || attempt === RETRIES) {
      throw new StartError(`the embedded database in ${place.dataDir} does not start: ${reason}; or set DATABASE_URL`);
    }
    await sleep(RETRY_MS);
  }
};

/** The server's own log. */
export const logFile = ({ dataDir }: Pick<Place, 'dataDir'>): string => path.join(dataDir, 'postgres.log');

/** Starts the log anew once it is large; called while no server writes to it. */
export const trimLog = (place: Place): void => {
  if (logSize(place) > LOG_LIMIT_BYTES) rmSync(logFile(place));
};

const spawnServer = (place: Place, port: number): ChildProcess => {
  const output = openSync(logFile(place), 'a', 0o600);
  const settings = Object.entries({ ...defaults, ...place.settings, port: String(port) });
  const options = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // A session of its own: Ctrl-C in the terminal reaches the application alone, which stops the server last.
  const child = spawn(path.join(place.home, 'bin', 'postgres'), ['-D', dataArgument(place), ...options], {
    cwd: place.cluster,
    ...place.account,
    env: { LC_ALL: 'C', TZ: 'UTC' },
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.on('error', (error) => place.log(`cannot start the embedded database: ${messageOf(error)}`));
  child.unref();
  return child;
};

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const isReady = (place: Place, child: ChildProcess): boolean => {
  const found = findPostmaster(place.cluster);
  return found !== undefined && found.pid === child.pid && found.ready;
};

const logSize = (place: Place): number => (existsSync(logFile(place)) ? statSync(logFile(place)).size : 0);

/** The complaint of the server since its log had `from` bytes. */
const failureIn = (place: Place, from: number): string => {
  const lines = readFileSync(logFile(place)).subarray(from).toString('utf8').trim().split('\n');
  const complaints = lines.filter((line) => /FATAL|PANIC|HINT|error while loading|Address already in use/.test(line));
  const told = complaints.length > 0 ? complaints : lines.slice(-1);
  return told.map((line) => line.replace(/^.*?(FATAL|PANIC|HINT|LOG): +/, '')).join(' ') || 'it ended without a reason';
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
