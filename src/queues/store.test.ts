import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { leavingWhenEnded } from './store.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

describe('the pool of the queues', () => {
  it('gets back the places of connections that ended in somebody’s hands', async () => {
    const pool = new Pool({ connectionString: database.url, max: 2, connectionTimeoutMillis: 3000 });
    pool.on('error', () => undefined);
    pool.on('acquire', leavingWhenEnded);
    const held = [await pool.connect(), await pool.connect()];
    for (const client of held) client.on('error', () => undefined);
    const other = new Pool({ connectionString: database.url, max: 1 });
    await other.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
    const { rows } = await pool.query<{ n: number }>('select 1 as n');
    expect(rows).toEqual([{ n: 1 }]);
    // Whoever gives it back after all does no harm.
    for (const client of held) client.release();
    const [one, two] = [await pool.connect(), await pool.connect()];
    one.release();
    two.release();
    expect(pool.totalCount).toBe(2);
    await Promise.all([pool.end(), other.end()]);
  });
});
