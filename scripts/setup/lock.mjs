import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { children, root, say } from './exec.mjs';

const lockFile = path.join(root, '.node', 'setup.lock');
const HEARTBEAT_MS = 500;
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
  const heartbeat = setInterval(beat, HEARTBEAT_MS);
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

function beat() {
  try {
    writeFileSync(lockFile, [process.pid, ...children].join(' '));
  } catch (error) {
    say(`cannot refresh ${lockFile}: ${error.message}`);
  }
}

async function takeLock() {
  if (create()) return true;
  if (!isAbandoned()) return false;
  rmSync(lockFile, { force: true });
  if (!create()) return false;
  // Another waiter may have judged the same old lock and removed this new one; the last to write has it.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return pids()[0] === process.pid;
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
    // A killed set-up leaves its npm or compiler running. An empty file is about to be written.
    const holders = pids();
    return holders.length > 0 && !holders.some(isAlive);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function pids() {
  return readFileSync(lockFile, 'utf8').split(' ').map(Number).filter(Boolean);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
