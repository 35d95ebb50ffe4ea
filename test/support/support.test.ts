import { existsSync } from 'node:fs';
import postgres from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { requireBinary } from './binaries.ts';
import { startChild } from './child.ts';
import { createTestDatabase, startTestPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { waitFor } from './wait.ts';

describe('createTestDatabase', () => {
  it('gives migrated databases that do not see one another', async () => {
    const [a, b] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const [first, second] = [postgres(a.url, { max: 1 }), postgres(b.url, { max: 1 })];
    await first`create table mine (a int)`;
    const tables = await second<{ name: string }[]>`select table_name as name from information_schema.tables`;
    const names = tables.map(({ name }) => name);
    expect(names).toContain('certificate_lifecycle_events');
    expect(names).not.toContain('mine');
    // Dropping ends connections that a test forgot.
    await Promise.all([a.drop(), b.drop()]);
    await expect(first`select 1`).rejects.toThrow(/does not exist|terminating/);
    await Promise.all([first.end(), second.end()]);
  });

  it('gives an empty one to a test that migrates', async () => {
    const database = await createTestDatabase({ empty: true });
    const sql = postgres(database.url, { max: 1 });
    const [row] = await sql<
      { count: number }[]
    >`select count(*)::int as count from pg_tables where schemaname = 'public'`;
    expect(row?.count).toBe(0);
    await sql.end();
    await database.drop();
  });
});

describe('startTestPostgres', () => {
  it('goes away and comes back at the same address', async () => {
    const server = await startTestPostgres({ max_connections: '20' });
    const sql = postgres(server.url, { max: 1, connect_timeout: 2 });
    await sql`create table kept as select 1 as one`;
    await server.stop();
    await expect(sql`select 1`).rejects.toThrow(/ECONNREFUSED|CONNECTION/);
    await server.start();
    expect(await waitFor(async () => [...(await sql`select one from kept`)])).toEqual([{ one: 1 }]);
    server.kill9();
    expect(await waitFor(async () => [...(await sql`select one from kept`)])).toEqual([{ one: 1 }]);
    await sql.end();
    await server.remove();
    expect(existsSync(server.dataDir)).toBe(false);
  });
});

describe('startRedis', () => {
  const started = startRedis({ appendonly: true });
  afterAll(async () => (await started).stop());

  it('keeps its data through kill9 and restart, and removes its folder at the end', async () => {
    const redis = await started;
    const cli = (...args: string[]) => startChild(requireBinary('redis-cli'), ['-p', String(redis.port), ...args]);
    const set = cli('set', 'a', '1');
    expect((await set.exited).code).toBe(0);
    await redis.kill9();
    await redis.restart();
    const get = cli('get', 'a');
    await get.exited;
    expect(get.output().trim()).toBe('1');
    expect(existsSync(redis.dir)).toBe(true);
  });
});

describe('the small helpers', () => {
  it('waitFor gives the value, and tells what it waited for', async () => {
    let count = 0;
    expect(await waitFor(() => (++count > 2 ? count : undefined))).toBe(3);
    await expect(waitFor(() => false, { timeoutMs: 30, what: 'rain' })).rejects.toThrow('waited 30 ms for rain');
  });

  it('requireBinary names the command that installs what is missing', () => {
    expect(requireBinary('sh')).toMatch(/\/sh$/);
    expect(() => requireBinary('no-such-program')).toThrow(
      'apt-get install -y --no-install-recommends no-such-program',
    );
  });

  it('a child that ends early fails the wait with its output', async () => {
    const child = startChild('/bin/sh', ['-c', 'echo oh; exit 3']);
    await expect(child.waitForOutput(/never/)).rejects.toThrow(/ended before.*\n?oh/s);
    expect(await child.exited).toEqual({ code: 3, signal: null });
  });
});
