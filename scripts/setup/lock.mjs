import { mkdirSync, readFileSync, rmSync, statSync, utimes, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, say } from './exec.mjs';

const lockFile = path.join(root, '.node', 'setup.lock');
const HEARTBEAT_MS = 2_000;
// Process ids are reused, so a living process is believed only while the lock is being refreshed.
const STALE_MS = 30_000;

/** Runs `work` while no other set-up of this clone runs; a lock left by a killed one is taken over. */
export async function withLock(work) {
  mkdirSync(path.dirname(lockFile), { recursive: true });
  for (let told = false; !(await takeLock());) {
    if (!told) say('waiting for another set-up of this clone to finish');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(lockFile, now, now, () => undefined);
  }, HEARTBEAT_MS);
  const release = () => rmSync(lockFile, { force: true });
  process.once('exit', release);
  try {
    await work();
  } finally {
    clearInterval(heartbeat);
    process.off('exit', release);
    release();
  }
}

async function takeLock() {
  if (create()) return true;
  if (!isAbandoned()) return false;
  rmSync(lockFile, { force: true });
  if (!create()) return false;
  // Another waiter may have judged the same old lock and removed this new one; the last to write has it.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return owner() === process.pid;
}

function create() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAbandoned() {
  try {
    const age = Date.now() - statSync(lockFile).mtimeMs;
    if (age > STALE_MS) return true;
    const pid = owner();
    // An empty file belongs to a process between creating and writing it.
    return pid > 0 && !isAlive(pid);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function owner() {
  return Number(readFileSync(lockFile, 'utf8'));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
