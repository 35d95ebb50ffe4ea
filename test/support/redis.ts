import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireBinary } from './binaries.ts';
import { type Child, startChild } from './child.ts';
import { freePort } from './ports.ts';
import { hasUsers, usersOfRedis } from './rights.ts';
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
  readonly pid: () => number;
  /** Ends the server and removes its folder. */
  readonly stop: () => Promise<void>;
  /** Kills the server; its folder stays. */
  readonly kill9: () => Promise<void>;
  /** Starts it again on the same port and folder, ending it first when it runs. */
  readonly restart: () => Promise<void>;
}

/** Starts a Redis of its own on a free loopback port, as BullMQ needs it (noeviction). */
export const startRedis = async (options: RedisOptions = {}): Promise<TestRedis> => {
  const file = requireBinary('redis-server');
  const dir = mkdtempSync(path.join(tmpdir(), 'notafter-redis-'));
  const port = await freePort();
  writeFileSync(path.join(dir, 'users.acl'), usersOfRedis());
  hasUsers(port);
  let child = await launch(file, dir, port, options);
  const stop = async (): Promise<void> => {
    const denied = child.hasExited() ? '' : await deniedBy(port);
    await child.stop(10_000);
    rmSync(dir, { recursive: true, force: true });
    if (denied !== '') throw new Error(`the user of ops/redis/users.acl was refused what it asked for: ${denied}`);
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
    aclfile: path.join(dir, 'users.acl'),
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

/** The first words that Redis answers; empty when it answers nothing. */
const ask = (port: number, command: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => socket.write(`${command}\r\n`));
    const answer = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('data', (data) => answer(data.toString('utf8')));
    socket.once('error', () => answer(''));
    socket.setTimeout(1_000, () => answer(''));
  });

const answersPing = async (port: number): Promise<boolean> => (await ask(port, 'PING')).startsWith('+PONG');

/** Commands and keys that were denied to a user that had signed in; wrong passwords are the tests' own doing. */
const deniedBy = async (port: number): Promise<string> => {
  const lines = (await ask(port, 'ACL LOG')).split('\r\n');
  return lines
    .flatMap((line, index) => {
      const reason = lines[index + 2] ?? '';
      const object = lines[lines.indexOf('object', index) + 2] ?? '';
      return line === 'reason' && reason !== 'auth' ? [`${reason} ${object}`] : [];
    })
    .join(', ');
};
