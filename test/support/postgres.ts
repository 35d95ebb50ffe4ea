import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { startEmbeddedPostgres } from '../../src/embedded.ts';
import { guardServer } from './guard.ts';
import { TEMPLATE } from './made.ts';
import { freePort } from './ports.ts';
import { askShared } from './shared.ts';

export interface TestDatabase {
  readonly url: string;
  /** Removes the database, ending whatever is still connected to it. */
  drop(): Promise<void>;
}

/** A database of its own on the server of this test run: migrated, or `empty` when the test migrates it itself. */
export const createTestDatabase = async ({ empty = false }: { empty?: boolean } = {}): Promise<TestDatabase> => {
  const serverUrl = await askShared('/postgres');
  const name = `${empty ? 'empty' : 'test'}_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${empty ? 'template0' : TEMPLATE}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => asAdmin(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
};

const asAdmin = async (url: string, statement: string): Promise<void> => {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
};

export interface TestPostgres {
  readonly url: string;
  readonly dataDir: string;
  /** Ends the server; its data and port stay. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Kills the server; it starts again by itself and recovers, on the same port. */
  readonly kill9: () => void;
  /** Ends the server and removes its data. */
  readonly remove: () => Promise<void>;
}

/** A whole server of its own, with an unmigrated database `postgres`: for tests that take the server away. */
export const startTestPostgres = async (settings: Readonly<Record<string, string>> = {}): Promise<TestPostgres> => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-postgres-'));
  const fixed = { shared_buffers: '64MB', ...settings, port: String(await freePort()) };
  guardServer(dataDir);
  const start = () => startEmbeddedPostgres({ dataDir, log: () => undefined, settings: fixed });
  let server = await start();
  return {
    url: server.url,
    dataDir,
    stop: () => server.stop(),
    start: async () => {
      server = await start();
    },
    kill9: () => {
      const pid = Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);
      process.kill(pid, 'SIGKILL');
    },
    remove: async () => {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};
