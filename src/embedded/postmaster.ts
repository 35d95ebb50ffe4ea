import { readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
const EMPTY_MS = 2_000;

/** What a running server writes into `postmaster.pid` (PostgreSQL: src/include/utils/pidfile.h). */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

/** The server that runs on this cluster, whoever started it. */
export const findPostmaster = (cluster: string): Postmaster | undefined => {
  const found = readPidFile(pidFile(cluster));
  return found !== undefined && isAlive(found.pid) && worksIn(found.pid, cluster) ? found : undefined;
};

/**
 * Removes the pid file that a killed server left: Postgres itself refuses to start over an empty one, and when the number now
 * belongs to another process of the same user. A server makes the file empty before it writes its number, and ends when it
 * later finds the file gone, so an empty one is given time.
 */
export const removeStalePidFile = async (cluster: string): Promise<void> => {
  const file = pidFile(cluster);
  await poll(() => readText(file) !== '', EMPTY_MS);
  if (findPostmaster(cluster) === undefined) rmSync(file, { force: true });
};

const pidFile = (cluster: string): string => path.join(cluster, 'postmaster.pid');

const readPidFile = (file: string): Postmaster | undefined => {
  const lines = readText(file)?.split('\n');
  if (lines === undefined) return undefined;
  return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
};

/** True while the process exists; one that ended but was not yet collected by its parent does not count. */
export const isAlive = (pid: number): boolean => {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return processStat(pid)?.[0] !== 'Z';
};

/** A text that names one run of one process: the pid alone is reused. */
export const processIdentity = (pid: number): string => `${pid} ${processStat(pid)?.[19] ?? ''}`;

/** The fields of /proc/PID/stat from the third (state) on; undefined where there is no /proc. */
const processStat = (pid: number): string[] | undefined => {
  const text = readText(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
};

/** A server has its cluster as working directory; where that cannot be read, the pid file is believed. */
const worksIn = (pid: number, cluster: string): boolean => {
  if (process.platform !== 'linux') return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster);
  } catch {
    return false;
  }
};

/** Stops a server: fast shutdown, and when that takes longer than `patienceMs`, an immediate one (safe for the data). */
export const stopPostmaster = async (pid: number, patienceMs: number): Promise<void> => {
  if (!signal(pid, 'SIGINT') || (await hasEnded(pid, patienceMs))) return;
  signal(pid, 'SIGQUIT');
  if (await hasEnded(pid, 5_000)) return;
  signal(pid, 'SIGKILL');
  await hasEnded(pid, 1_000);
};

/** Sends a signal; false when the process is gone. */
export const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
};

const hasEnded = (pid: number, withinMs: number): Promise<boolean> => poll(() => !isAlive(pid), withinMs);

/** Asks `condition` until it holds; false when it does not within `withinMs`. */
export const poll = async (condition: () => boolean, withinMs: number): Promise<boolean> => {
  for (let waited = 0; !condition(); waited += POLL_MS) {
    if (waited >= withinMs) return false;
    await sleep(POLL_MS);
  }
  return true;
};

const readText = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};
