import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Child, startChild } from './child.ts';
import { freePort } from './ports.ts';
import { withLeastRights } from './rights.ts';
import { askShared } from './shared.ts';
import { waitFor } from './wait.ts';

export type Environment = Readonly<Record<string, string>>;

export interface App extends Child {
  /** Origin of the API and console; nothing listens there for `work`. */
  readonly url: string;
  /** Origin of /metrics, /livez and /readyz. */
  readonly metricsUrl: string;
  readonly dataDir: string;
}

export interface AppOptions {
  /** Added to PATH, HOME, free ports and a data directory of its own, which are all the process gets otherwise. */
  readonly env?: Environment;
  /** Keep and reuse this data directory; without it there is a new one, removed when the process ends. */
  readonly dataDir?: string;
  /** Give the process back at once, before it is ready. */
  readonly ready?: boolean;
  readonly timeoutMs?: number;
}

/** Runs `node dist/cli.js ARGS` to its end, from an up-to-date build. */
export const runCli = async (
  args: readonly string[],
  env: Environment = {},
): Promise<{ code: number | null; output: string }> => {
  const child = await startCli(args, env);
  const { code } = await child.exited;
  return { code, output: child.output() };
};

/** Starts `node dist/cli.js ARGS` from an up-to-date build. */
export const startCli = async (args: readonly string[], env: Environment = {}): Promise<Child> => {
  const cli = await askShared('/build');
  return startChild(process.execPath, ['--enable-source-maps', cli, ...args], {
    env: { ...base(), ...withLeastRights(env) },
  });
};

/** Starts `notafter all`, `serve` or `work` on free ports and waits until /readyz answers 200. */
export const startApp = async (role: 'all' | 'serve' | 'work', options: AppOptions = {}): Promise<App> => {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), 'notafter-app-'));
  const own = { PORT: String(port), CERT_METRICS_PORT: String(metricsPort), NOTAFTER_DATA_DIR: dataDir };
  const child = await startCli([role], { ...own, ...options.env });
  if (options.dataDir === undefined) void child.exited.then(() => rmSync(dataDir, { recursive: true, force: true }));
  const app = { ...child, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}`, dataDir };
  if (options.ready !== false) await untilReady(app, options.timeoutMs ?? 30_000);
  return app;
};

/** Waits until the process answers 200 on /readyz; fails at once, with its output, when it ends before. */
export const untilReady = async (app: App, timeoutMs = 30_000): Promise<void> => {
  try {
    await waitFor(async () => app.hasExited() || (await fetch(`${app.metricsUrl}/readyz`)).ok, {
      timeoutMs,
      what: '/readyz',
    });
  } catch (error) {
    await app.kill9();
    throw new Error(`the process does not get ready; it printed:\n${app.output()}`, { cause: error });
  }
  if (app.hasExited()) throw new Error(`the process ended before it was ready; it printed:\n${app.output()}`);
};

const base = (): Record<string, string> => ({ PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? tmpdir() });
