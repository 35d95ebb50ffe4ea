import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresStore, type Store } from '../../src/queues/store.ts';
import { type FaultProxy, startProxy } from '../chaos/proxy.ts';
import { randomOf } from '../chaos/random.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: TestDatabase;
let sql: postgres.Sql;
let store: Store;
let proxy: FaultProxy;
const errors: Error[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const url = new URL(database.url);
  proxy = await startProxy({ port: Number(url.port), random: randomOf(1), protocol: 'postgres' });
  url.port = String(proxy.port);
  store = postgresStore(url.href, 2, (error) => errors.push(error));
});
afterAll(async () => {
  await store.close();
  await proxy.close();
  await sql.end();
  await database.drop();
});

describe('a connection of the queues in PostgreSQL', () => {
  it('that breaks while it is in use fails what used it, and not the process', async () => {
    await store.check();
    const holder = await sql.reserve();
    await holder`begin`;
    await holder`lock table bullmq.migration in access exclusive mode`;
    const checked = store.check().then(
      () => 'it succeeded',
      () => 'it failed',
    );
    const waiting = async (): Promise<boolean> =>
      (
        await sql`select 1 from pg_stat_activity
          where datname = current_database() and application_name = 'notafter queues' and wait_event_type = 'Lock'`
      ).length > 0;
    await waitFor(waiting, { what: 'the connection to be in use' });
    proxy.reset();
    expect(await checked).toBe('it failed');
    await holder`rollback`;
    holder.release();
    await waitFor(() => store.check().then(() => true), { what: 'the queues to answer again' });
    // Vitest fails a run in which an error found no listener, as Node ends a process of it.
    expect(errors.map(String)).toContainEqual(expect.stringMatching(/ECONNRESET|terminated/));
  });

  // The server cuts statements off after half a minute; only a connection that is silent for longer leads nowhere.
  it('that falls silent is given up, and its place is free again', { timeout: 90_000 }, async () => {
    await Promise.all([store.facts(), store.facts()]);
    proxy.strand();
    const outcomes = await Promise.all([1, 2].map(() => store.facts().then(() => 'answered', String)));
    expect(outcomes.join(' ')).toMatch(/silent for 35 s.*silent for 35 s/);
    expect(await store.facts()).toMatchObject({ backend: 'postgres' });
  });
});
