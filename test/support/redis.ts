import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireBinary } from './binaries.ts';
import { type Child, startChild } from './child.ts';
import { freePort } from './ports.ts';
import { waitFor } from './wait.ts';

export interface RedisOptions {
  /** Append-only file, written at every command, so that kill9 and restart lose nothing. Default off. */
  readonly appendonly?: boolean;
  /** Further settings, as in redis.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Of the server that runs now, or ran last. */
  pid(): number;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
  /** Kills the server; its folder stays. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and folder, ending it first when it runs. */
  restart(): Promise<void>;
}

/** Starts a Redis of its own on a free loopback port, as BullMQ needs it (noeviction). */
export const startRedis = async (options: RedisOptions = {}): Promise<TestRedis> => {
  const file = requireBinary('redis-server');
  const dir = mkdtempSync(path.join(tmpdir(), 'notafter-redis-'));
  const port = await freePort();
  let child = await launch(file, dir, port, options);
  const stop = async (): Promise<void> => {
    await child.stop(10_000);
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    dir,
    pid: () => child.pid,
    stop,
    kill9: async () => void (await child.kill9()),
    restart: async () => {
      await child.stop(10_000);
      child = await launch(file, dir, port, options);
    },
  };
};

const launch = async (file: string, dir: string, port: number, options: RedisOptions): Promise<Child> => {
  const settings: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    'maxmemory-policy': 'noeviction',
    appendonly: options.appendonly ? 'yes' : 'no',
    appendfsync: 'always',
    ...options.settings,
  };
  const child = startChild(
    file,
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    { cwd: dir },
  );
  await waitFor(() => child.hasExited() || answersPing(port), { timeoutMs: 15_000, what: `Redis on port ${port}` });
  if (child.hasExited()) throw new Error(`redis-server ended at once:\n${child.output()}`);
  return child;
};

const answersPing = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write('PING\r\n'));
    const answer = (value: boolean): void => {
      socket.destroy();
      resolve(value);
    };
    socket.once('data', (data) => answer(data.toString('utf8').startsWith('+PONG')));
    socket.once('error', () => answer(false));
    socket.setTimeout(1_000, () => answer(false));
  });
