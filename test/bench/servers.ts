import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';
import type { Database, Infrastructure } from './infrastructure.ts';
import { cpuOf } from './stats.ts';
import { serverEnv } from './workload.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cli = path.join(root, 'dist', 'cli.js');
const front = fileURLToPath(new URL('front.ts', import.meta.url));
const peer = fileURLToPath(new URL('peer-worker.ts', import.meta.url));

export const peers = ['pg-boss', 'graphile-worker'] as const;
export type Peer = (typeof peers)[number];

/** Everything that is measured: the product on either queue, the servers it is compared with, and other queues. */
export type Subject = 'notafter, Redis' | 'notafter, PostgreSQL only' | 'verify-only' | 'front without database' | Peer;

export interface Role {
  readonly pid: number;
  readonly port: number;
  readonly metricsPort: number;
  stop(): Promise<void>;
}

export interface Running {
  readonly database: Database;
  readonly api: Role;
  readonly worker: Role | null;
  /** Milliseconds of CPU used so far, by process; that of this process is the load's. */
  readonly cpu: () => Record<string, number>;
  readonly stop: () => Promise<void>;
}

interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const command = (subject: Subject, role: 'serve' | 'work', { redisUrl }: Infrastructure): Command => {
  switch (subject) {
    case 'notafter, Redis':
      return { args: [cli, role], env: { REDIS_URL: redisUrl } };
    case 'notafter, PostgreSQL only':
      return { args: [cli, role], env: {} };
    case 'verify-only':
    case 'front without database':
      return { args: [front, subject], env: {} };
    case 'pg-boss':
    case 'graphile-worker':
      return { args: [role === 'serve' ? front : peer, subject], env: {} };
  }
};

const profileArgs = (folder: string | null, what: string): string[] => {
  if (folder === null) return [];
  const into = path.join(folder, what);
  mkdirSync(into, { recursive: true });
  return ['--cpu-prof', `--cpu-prof-dir=${into}`];
};

const untilReady = async (child: Child, metricsPort: number): Promise<void> => {
  await waitFor(async () => child.hasExited() || (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).ok, {
    timeoutMs: 30_000,
    what: '/readyz',
  });
  if (child.hasExited()) throw new Error(`a server ended before it was ready:\n${child.output()}`);
};

interface RoleOptions {
  readonly profiles?: string | null;
  /** Settings beside those that all subjects have. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one process of a subject, as an operator would, and waits until it is ready. */
export const startRole = async (
  subject: Subject,
  role: 'serve' | 'work',
  infrastructure: Infrastructure,
  database: Database,
  { profiles = null, env: added = {} }: RoleOptions = {},
): Promise<Role> => {
  const { args, env } = command(subject, role, infrastructure);
  const [port, metricsPort] = [await freePort(), await freePort()];
  const child = startChild(process.execPath, [...profileArgs(profiles, `${subject} ${role}`), ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '/',
      ...serverEnv,
      ...env,
      ...added,
      DATABASE_URL: database.url,
      PORT: String(port),
      CERT_METRICS_PORT: String(metricsPort),
      NOTAFTER_DATA_DIR: infrastructure.folder,
    },
  });
  await untilReady(child, metricsPort);
  return {
    pid: child.pid,
    port,
    metricsPort,
    stop: async () => {
      const { code } = await child.stop();
      if (code !== 0) throw new Error(`a server did not end well:\n${child.output().slice(-2000)}`);
    },
  };
};

/** Starts a subject on a fresh database: its API, and with `worker` the process that applies events. */
export const startSubject = async (
  subject: Subject,
  infrastructure: Infrastructure,
  { worker, profiles = null, env = {} }: RoleOptions & { worker: boolean },
): Promise<Running> => {
  const database = await infrastructure.fresh();
  // One after the other: the first brings the schema of the queues up to date.
  const api = await startRole(subject, 'serve', infrastructure, database, { profiles, env });
  const work = worker ? await startRole(subject, 'work', infrastructure, database, { profiles, env }) : null;
  return {
    database,
    api,
    worker: work,
    cpu: () => {
      const { user, system } = process.cpuUsage();
      return {
        api: cpuOf(api.pid),
        ...(work === null ? {} : { worker: cpuOf(work.pid) }),
        ...infrastructure.cpu(),
        load: (user + system) / 1000,
      };
    },
    stop: async () => {
      await Promise.all([api.stop(), work?.stop()]);
      await database.drop();
    },
  };
};

/** Microseconds of CPU per event between two readings, by process; `µs/event` is their sum without the load's. */
export const cpuPerEvent = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  events: number,
): Record<string, number> => {
  const each = Object.entries(after).map(
    ([name, ms]) => [`${name} µs`, (1000 * (ms - (before[name] ?? 0))) / events] as const,
  );
  const sum = each.reduce((total, [name, us]) => (name === 'load µs' ? total : total + us), 0);
  return { 'µs/event': sum, ...Object.fromEntries(each) };
};
