import { appendFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { type App, type Environment, untilReady } from '../support/process.ts';
import type { Replica } from './scenario.ts';

export interface ReplicaOptions {
  readonly role: 'serve' | 'work';
  readonly name: string;
  /** Path of the cli.js that is run. */
  readonly cli: string;
  readonly env: Environment;
  readonly wrap: readonly string[];
  /** Folder of the run: its data directory and what it prints go there. */
  readonly dir: string;
  /** Told when the process ends although nobody ended it; it is started again, as a supervisor would. */
  readonly onEnd: (what: string) => void;
}

// Ample for a machine that has much else to do: how soon a process is ready is measured elsewhere.
const readyMs = 180_000;

/** A replica, and the end of it. */
export interface OwnedReplica extends Replica {
  readonly close: () => Promise<void>;
}

/** What tells why a process ended: the failpoint it died at, if any, and the last lines. */
const lastWords = (output: string): string => {
  const lines = output.trim().split('\n');
  const failpoint = lines.findLast((line) => line.startsWith('failpoint '));
  return [...(failpoint === undefined ? [] : [failpoint]), ...lines.slice(-3)].join(' | ');
};

/** A process of the product that keeps ports and data over restarts; nothing runs until `start`. */
export const createReplica = async (options: ReplicaOptions): Promise<OwnedReplica> => {
  const { role, name, cli, wrap, dir, onEnd } = options;
  const [port, metricsPort] = [await freePort(), await freePort()];
  const dataDir = path.join(dir, name);
  mkdirSync(dataDir, { recursive: true });
  const logFile = path.join(dir, `${name}.out`);
  const own = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? tmpdir(),
    PORT: String(port),
    CERT_METRICS_PORT: String(metricsPort),
    NOTAFTER_DATA_DIR: dataDir,
  };
  let present: App | null = null;
  let wanted = false;
  let given: Environment = {};

  const app = (): App => {
    if (present === null) throw new Error(`${name} was never started`);
    return present;
  };
  const launch = (): App => {
    const node = [process.execPath, '--enable-source-maps', cli, role];
    const [file = process.execPath, ...args] = [...wrap, ...node];
    const child = startChild(file, args, { env: { ...own, ...options.env, ...given } });
    const launched: App = {
      ...child,
      url: `http://127.0.0.1:${port}`,
      metricsUrl: `http://127.0.0.1:${metricsPort}`,
      dataDir,
    };
    void launched.exited.then(({ code, signal }) => ended(launched, `code ${code}, signal ${signal}`));
    return launched;
  };
  const ended = async (one: App, how: string): Promise<void> => {
    appendFileSync(logFile, `${one.output()}\n-- ended: ${how}\n`);
    if (!wanted || one !== present) return;
    onEnd(`${name} ended by itself (${how}): ${lastWords(one.output())}`);
    await sleep(500);
    if (wanted && one === present) present = launch();
  };
  const end = async <T>(way: (one: App) => Promise<T>): Promise<T> => {
    wanted = false;
    return way(app());
  };
  return {
    role,
    app,
    kill9: () => end(async (one) => void (await one.kill9())),
    stop: () => end(async (one) => (await one.stop()).code),
    start: async ({ env = {}, ready = true } = {}) => {
      if (present !== null && wanted && !present.hasExited()) throw new Error(`${name} runs already`);
      given = env;
      wanted = true;
      present = launch();
      if (ready) await untilReady(present, readyMs);
    },
    signal: (signal) => app().signal(signal),
    close: () => (present === null ? Promise.resolve() : end(async (one) => void (await one.kill9()))),
  };
};
