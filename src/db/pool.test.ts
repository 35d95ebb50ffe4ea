import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';
import { connectDb, type Db, type Tx } from './client.ts';

const size = 4;

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  db = connectDb(database.url, { max: size, name: 'pool' });
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const pidOf = async (sql: Db['sql'] | Tx): Promise<number> => {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid from pg_sleep(0.05)`;
  return row?.pid ?? 0;
};

it('gives out the connection that came back last', async () => {
  const all = await Promise.all(Array.from({ length: size }, () => pidOf(db.sql)));
  expect(new Set(all).size).toBe(size);
  const used: number[] = [];
  for (let n = 0; n < size; n += 1) {
    used.push(await pidOf(db.sql));
    used.push(await db.sql.begin(pidOf));
  }
  expect(new Set(used).size).toBe(1);
});
