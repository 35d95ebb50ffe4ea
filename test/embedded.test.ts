import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterEach, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../src/embedded.ts';
import { findPostmaster, isAlive } from '../src/embedded/postmaster.ts';
import { startChild } from './support/child.ts';
import { waitFor } from './support/wait.ts';

const folders: string[] = [];
const servers: EmbeddedPostgres[] = [];
const lines: string[] = [];

const newFolder = (): string => {
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-embedded-'));
  folders.push(folder);
  return path.join(folder, 'postgres');
};
const start = async (dataDir: string): Promise<EmbeddedPostgres> => {
  const settings = { shared_buffers: '32MB' };
  const server = await startEmbeddedPostgres({ dataDir, settings, log: (line) => lines.push(line) });
  servers.push(server);
  return server;
};
const query = async (url: string, text: string): Promise<Record<string, unknown>[]> => {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return [...(await sql.unsafe<Record<string, unknown>[]>(text))];
  } finally {
    await sql.end();
  }
};
const postmasterPid = (dataDir: string): number =>
  Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);

/** Another process that starts the server and then waits, prints `up PID`, and ends at once when told to. */
const startHolder = (dataDir: string) => {
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL('../src/embedded.ts', import.meta.url).href)});
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log: () => undefined, settings: { shared_buffers: '32MB' } });
    process.on('SIGTERM', () => process.exit(0));
    console.log('up', server.url);
    setInterval(() => undefined, 1000);`;
  return startChild(process.execPath, ['--input-type=module', '--eval', code], {
    env: { PATH: process.env.PATH ?? '' },
  });
};

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  lines.length = 0;
});

describe('startEmbeddedPostgres', () => {
  it('keeps its data from start to start, in UTF-8, with everything on disk before a commit answers', async () => {
    const dataDir = newFolder();
    const first = await start(dataDir);
    await query(first.url, `create table kept as select 'ü' as letter`);
    await first.stop();
    const second = await start(dataDir);
    expect(await query(second.url, 'select letter from kept')).toEqual([{ letter: 'ü' }]);
    const [settings] = await query(
      second.url,
      `select current_setting('fsync') as fsync, current_setting('full_page_writes') as pages,
       current_setting('synchronous_commit') as commit, current_setting('server_encoding') as encoding,
       (select datlocale || datcollate from pg_database where datname = 'postgres') as locale`,
    );
    expect(settings).toMatchObject({ fsync: 'on', pages: 'on', commit: 'on', encoding: 'UTF8' });
  });

  it('lets in nobody without the password, which only its user can read', async () => {
    const dataDir = newFolder();
    const { url } = await start(dataDir);
    const wrong = new URL(url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
    expect(statSync(path.join(dataDir, 'cluster', 'notafter.password')).mode & 0o777).toBe(0o600);
    expect(new URL(url).hostname).toBe('127.0.0.1');
  });

  it('works below a folder that only root may enter', async () => {
    const dataDir = newFolder();
    mkdirSync(path.dirname(dataDir), { recursive: true });
    chmodSync(path.dirname(dataDir), 0o700);
    const { url } = await start(dataDir);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('takes over the server of a process that was killed, and ends it', async () => {
    const dataDir = newFolder();
    const holder = startHolder(dataDir);
    await holder.waitForOutput(/up postgres/);
    const pid = postmasterPid(dataDir);
    await holder.kill9();
    expect(isAlive(pid)).toBe(true);
    const server = await start(dataDir);
    expect(lines).toContain('taking over the embedded database that an earlier run left');
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('shares the server of a living process and leaves it running', async () => {
    const dataDir = newFolder();
    const holder = startHolder(dataDir);
    await holder.waitForOutput(/up postgres/);
    const guest = await start(dataDir);
    expect(await query(guest.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await guest.stop();
    expect(isAlive(postmasterPid(dataDir))).toBe(true);
    await holder.stop();
  });

  it('ends a shared server when its owner was killed meanwhile', async () => {
    const dataDir = newFolder();
    const holder = startHolder(dataDir);
    await holder.waitForOutput(/up postgres/);
    const pid = postmasterPid(dataDir);
    const guest = await start(dataDir);
    await holder.kill9();
    await guest.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('ends with its process, even when that does not stop it', async () => {
    const dataDir = newFolder();
    const holder = startHolder(dataDir);
    await holder.waitForOutput(/up postgres/);
    const pid = postmasterPid(dataDir);
    expect(await holder.stop()).toEqual({ code: 0, signal: null });
    await waitFor(() => !isAlive(pid), { what: 'the server to end' });
  });

  it.runIf(process.platform === 'linux')('is no child of the terminal: its session is its own', async () => {
    const dataDir = newFolder();
    await start(dataDir);
    const pid = postmasterPid(dataDir);
    const [, , group, session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    expect([group, session]).toEqual([String(pid), String(pid)]);
  });

  it('comes back on the same port after it was killed, with what was committed', async () => {
    const dataDir = newFolder();
    const { url } = await start(dataDir);
    await query(url, 'create table kept as select 1 as one');
    const pid = postmasterPid(dataDir);
    process.kill(pid, 'SIGKILL');
    const rows = await waitFor(() => query(url, 'select one from kept'), {
      timeoutMs: 20_000,
      what: 'the server to be back',
    });
    expect(rows).toEqual([{ one: 1 }]);
    expect(postmasterPid(dataDir)).not.toBe(pid);
  });

  it('starts over a pid file whose number now belongs to another process', async () => {
    const dataDir = newFolder();
    await (await start(dataDir)).stop();
    const other = spawn('sleep', ['60'], { stdio: 'ignore' });
    try {
      const file = path.join(dataDir, 'cluster', 'postmaster.pid');
      writeFileSync(file, `${other.pid}\n/proc/self/cwd\n1\n5432\n\n127.0.0.1\n\nready   \n`);
      const { url } = await start(dataDir);
      expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
      expect(isAlive(other.pid ?? 0)).toBe(true);
    } finally {
      other.kill('SIGKILL');
    }
  });

  it('starts over an empty pid file, but leaves it to a server that is about to fill it', async () => {
    const dataDir = newFolder();
    await (await start(dataDir)).stop();
    const cluster = path.join(dataDir, 'cluster');
    const file = path.join(cluster, 'postmaster.pid');
    writeFileSync(file, '');
    expect(findPostmaster(cluster)).toBeUndefined();
    expect(existsSync(file)).toBe(true);
    const { url } = await start(dataDir);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  it('starts over what an interrupted first start left', async () => {
    const dataDir = newFolder();
    const half = path.join(dataDir, 'cluster.tmp-12345');
    mkdirSync(path.join(half, 'base'), { recursive: true });
    writeFileSync(path.join(half, 'PG_VERSION'), '18\n');
    const { url } = await start(dataDir);
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(existsSync(half)).toBe(false);
  });

  it('says in one line what is wrong with a folder it cannot use', async () => {
    const dataDir = newFolder();
    writeFileSync(dataDir, 'a file');
    const error = await start(dataDir).catch((thrown: unknown) => thrown);
    expect(error).toHaveProperty('name', 'StartError');
    expect(String(error)).toMatch(
      /^StartError: cannot use .*\/postgres for the embedded database .*or set NOTAFTER_DATA_DIR or DATABASE_URL$/,
    );
  });

  it('gives the complaint of a server that does not start', async () => {
    const dataDir = newFolder();
    await (await start(dataDir)).stop();
    writeFileSync(path.join(dataDir, 'cluster', 'PG_VERSION'), '12\n');
    await expect(start(dataDir)).rejects.toThrow(/does not start: database files are incompatible with server/);
  });
});
