import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Longer than any delivery lasts: an older lock was left behind, even if its process number is in use again. */
const staleAfterMs = 10 * 60_000;
const pollMs = 100;

/** The clock and the patience of one who waits for a lock. */
export interface LockOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly waitMs: number;
}

/**
 * Runs `work` while no other process delivers from this directory. A lock whose process is gone is taken over. Should two
 * processes ever hold it at once, events are sent twice, which the receiver recognises as duplicates.
 *
 * @returns what `work` gave, or undefined when the lock stayed taken for `waitMs`.
 */
export const withLock = async <T>(
  directory: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T | undefined> => {
  const path = join(directory, 'lock');
  const deadline = options.now() + options.waitMs;
  while (!tryLock(path, options.now())) {
    if (options.now() >= deadline) return undefined;
    await options.sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
};

const tryLock = (path: string, now: number): boolean => {
  try {
    const handle = openSync(path, 'wx', 0o600);
    writeSync(handle, String(process.pid));
    closeSync(handle);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (isStale(path, now)) rmSync(path, { force: true });
    return false;
  }
};

const isStale = (path: string, now: number): boolean => {
  try {
    const holder = Number(readFileSync(path, 'utf8'));
    return now - statSync(path).mtimeMs > staleAfterMs || (holder > 0 && !isAlive(holder));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
};

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');
