import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

// Reads some 50 MB, which a collection of the young generation frees, and says what the old one has grown by.
const reader = `
  import { getHeapSpaceStatistics } from 'node:v8';
  import postgres from 'postgres';
  const old = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size;
  const sql = postgres(process.argv[1], { max: 1 });
  const read = async (times) => {
    for (let n = 0; n < times; n += 1) await sql\`select g, repeat('x', 100) as text from generate_series(1, 50) g\`;
  };
  await read(500);
  const before = old();
  await read(4000);
  console.log((old() - before) / 2 ** 20);
  await sql.end();`;

it('lets go of a query with its rows when nobody has them any more', async () => {
  // No full collection may come in between.
  const flags = ['--max-semi-space-size=8', '--min-semi-space-size=8', '--initial-old-space-size=512'];
  const args = [...flags, '--input-type=module', '--eval', reader, '--', database.url];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(Number(stdout)).toBeLessThan(8);
});
