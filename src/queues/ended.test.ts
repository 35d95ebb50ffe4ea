import { Pool, type PoolConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProxy } from '../../test/chaos/proxy.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { waitFor } from '../../test/support/wait.ts';
import { freeEnded, freeSilent } from './ended.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

const openPool = (options: PoolConfig): Pool => {
  const pool = new Pool({ connectionString: database.url, connectionTimeoutMillis: 3000, ...options });
  pool.on('error', () => undefined);
  freeEnded(pool);
  return pool;
};

const endOthers = async (): Promise<void> => {
  const other = new Pool({ connectionString: database.url, max: 1 });
  await other.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`);
  await other.end();
};

describe('the pool of the queues', () => {
  it('gets back the places of connections that ended in somebody’s hands', async () => {
    const pool = openPool({ max: 2 });
    const held = [await pool.connect(), await pool.connect()];
    for (const client of held) client.on('error', () => undefined);
    await endOthers();
    const { rows } = await pool.query<{ n: number }>('select 1 as n');
    expect(rows).toEqual([{ n: 1 }]);
    // Whoever gives it back after all does no harm.
    for (const client of held) client.release();
    const [one, two] = [await pool.connect(), await pool.connect()];
    one.release();
    two.release();
    expect(pool.totalCount).toBe(2);
    await pool.end();
  });

  it('bears connections that end after they were given back in the moment they were had', async () => {
    const pool = openPool({ max: 1 });
    // As the pool does it by itself for somebody who waits no more.
    await new Promise<void>((resolve, reject) => {
      pool.connect((fault, client) => {
        if (client === undefined) return reject(fault ?? new Error('no connection'));
        client.release();
        resolve();
      });
    });
    expect(pool.idleCount).toBe(1);
    await endOthers();
    await waitFor(() => pool.totalCount === 0, { what: 'the connection to leave the pool' });
    expect((await pool.query('select 1')).rowCount).toBe(1);
    await pool.end();
  });

  it('gets back the places of connections that owe an answer and fall silent', async () => {
    const url = new URL(database.url);
    const proxy = await startProxy({ port: Number(url.port) });
    url.port = String(proxy.port);
    const pool = openPool({ connectionString: url.href, max: 2 });
    freeSilent(pool, 1000);
    // One listens and owes nothing, as a worker's does; its place is kept.
    const listener = await pool.connect();
    await listener.query('listen nobody');
    await pool.query('select 1 where $1 = 1', [1]);
    proxy.strand();
    await expect(pool.query('select $1::int', [2])).rejects.toThrow(/silent for 1 s/);
    expect((await pool.query('select 7 as n')).rows).toEqual([{ n: 7 }]);
    expect(pool.totalCount).toBe(2);
    listener.release(true);
    await proxy.close();
    await pool.end();
  });

  it('leaves connections alone that are answered, however long they are idle', async () => {
    const pool = openPool({ max: 1 });
    freeSilent(pool, 500);
    const one = await pool.connect();
    for (const seconds of [0, 0.3, 0]) await one.query('select pg_sleep($1)', [seconds]);
    await one.query('listen nobody');
    await new Promise((resolve) => void setTimeout(resolve, 900));
    expect((await one.query('select 7 as n')).rows).toEqual([{ n: 7 }]);
    one.release();
    await pool.end();
  });
});
