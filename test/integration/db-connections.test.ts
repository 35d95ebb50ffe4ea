import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDb, type Db, keepTypes } from '../../src/db/client.ts';
import { messageOf } from '../../src/errors.ts';
import { type FaultProxy, startProxy } from '../chaos/proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

let database: TestDatabase;
let proxy: FaultProxy;
let through: URL;
beforeAll(async () => {
  database = await createTestDatabase();
  const { hostname, port } = new URL(database.url);
  proxy = await startProxy({ host: hostname, port: Number(port), protocol: 'postgres' });
  through = new URL(database.url);
  [through.hostname, through.port] = ['127.0.0.1', String(proxy.port)];
});
afterAll(async () => {
  await proxy.close();
  await database.drop();
});

const open = async (max: number, statementSeconds?: number): Promise<Db> => {
  const db = connectDb(through.href, {
    max,
    name: 'test',
    ...(statementSeconds !== undefined && { statementSeconds }),
  });
  await db.sql`select 1`;
  keepTypes(db);
  return db;
};

describe('connections to PostgreSQL', { timeout: 60_000 }, () => {
  it('that are reset again and again leave no question without its own answer or a fault', async () => {
    const db = await open(12);
    const wrong: unknown[] = [];
    const running = new Set<number>();
    const stopping = new AbortController();
    let [asked, answers] = [0, 0];
    const ask = async (n: number): Promise<unknown> =>
      n % 4 === 0
        ? db.sql.begin(async (tx) => (await Promise.all([tx`select 1`, tx`select ${n}::int as n`]))[1][0]?.['n'])
        : (await db.sql`select ${n}::int as n`)[0]?.['n'];
    const asker = async (): Promise<void> => {
      while (!stopping.signal.aborted) {
        const n = (asked += 1);
        running.add(n);
        const answer = await ask(n).catch((error: unknown) => messageOf(error));
        running.delete(n);
        if (answer === n) answers += 1;
        else if (!/ECONNRESET|CONNECTION_CLOSED|EPIPE/.test(String(answer))) wrong.push(answer);
      }
    };
    const askers = Array.from({ length: 8 }, asker);
    for (let round = 0; round < 60; round += 1) {
      await sleep(100);
      proxy.reset();
    }
    stopping.abort();
    await Promise.race([Promise.all(askers), sleep(10_000)]);
    expect([...running]).toEqual([]);
    expect(wrong).toEqual([]);
    expect(answers).toBeGreaterThan(30);
    await db.close();
  });

  it('that fall silent are given up, and new ones are made', async () => {
    const db = await open(3, 1);
    await Promise.all([1, 2, 3].map(() => db.sql`select pg_sleep(0.2)`));
    proxy.strand();
    const started = performance.now();
    const outcomes = await Promise.all(
      [
        db.sql`select 1`,
        db.sql.begin((tx) => tx`select 1`),
        db.sql`select ${'long'.repeat(100_000)}::text as long`,
      ].map((work) => work.then(() => 'answered', messageOf)),
    );
    expect(performance.now() - started).toBeLessThan(9000);
    expect(outcomes.join(' ')).not.toContain('answered');
    expect(await db.sql`select 7 as n`).toEqual([{ n: 7 }]);
    await db.close();
  });

  it('that work on a statement are left alone until the server itself cuts it off', async () => {
    const [db, other] = [await open(2, 4), await open(1)];
    await other.sql`create table held (n int)`;
    const holding = other.sql.begin(async (tx) => {
      await tx`lock table held`;
      await sleep(6000);
    });
    await sleep(200);
    const outcome = await db.sql
      .begin((tx) => Promise.all([tx`select 1`, tx`insert into held values (1)`]))
      .then(() => 'done', messageOf);
    expect(outcome).toContain('statement timeout');
    await holding;
    await waitFor(() => db.sql`insert into held values (2)`, { what: 'the table to be free' });
    await Promise.all([db.close(), other.close()]);
  });
});
