import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A failure whose message is a whole instruction; shown as one line, without a stack trace. */
export class SetupError extends Error {}

/** Ids of the programs that run now; whoever finds this process killed waits for them (lock.mjs). */
export const children = new Set();

/** Prints one line about a step that takes time. */
export function say(line) {
  process.stderr.write(`notafter: ${line}\n`);
}

/**
 * Runs a program and keeps its output; the end of that output is shown only when it fails.
 * @param {string} file
 * @param {string[]} args
 * @param {{ failure: string, cwd?: string, env?: NodeJS.ProcessEnv }} options `failure` says what to do.
 */
export function run(file, args, { failure, cwd = root, env = process.env }) {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (reason) => {
      const tail = output.trim().split('\n').slice(-15).join('\n');
      if (tail) process.stderr.write(`${tail}\n`);
      reject(new SetupError(`${failure} (${reason})`));
    };
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child.pid);
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, signal) => {
      children.delete(child.pid);
      if (code === 0) resolve(output);
      else fail(signal ?? `exit code ${code}`);
    });
  });
}

/** The command line that starts the npm this was called from, or the one on the PATH. */
export function npmCommand(node = process.execPath) {
  const cli = process.env.npm_execpath;
  return cli && /npm-cli\.c?js$/.test(cli) ? [node, cli] : ['npm'];
}

/** The environment for a child that has to find `node` first on its PATH. */
export function envWithNode(node) {
  return { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` };
}

/**
 * npm looks for the machine's settings (registry, certificates) beside the Node that runs it. Under another Node it has to be
 * told where they are; a script that npm itself started is told already.
 */
export function machineSettings() {
  if (process.env.npm_config_globalconfig) return {};
  const { status, stdout } = spawnSync('npm', ['config', 'get', 'globalconfig'], { encoding: 'utf8' });
  const file = status === 0 ? stdout.trim() : '';
  return file === '' ? {} : { npm_config_globalconfig: file };
}
