import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/db/migrate.ts';
import type { Sql } from '../support/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type Catalog, contractions, readCatalog } from './catalog.ts';
import { type PreviousRelease, unpackPrevious } from './previous.ts';

let previous: PreviousRelease;
let database: TestDatabase;
let sql: Sql;
let before: Catalog;

beforeAll(async () => {
  previous = unpackPrevious();
  database = await createTestDatabase({ empty: true });
  const migrator = previous.start(['migrate'], { DATABASE_URL: database.url });
  if ((await migrator.exited).code !== 0) throw new Error(migrator.output());
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  before = await readCatalog(sql);
}, 60_000);
afterAll(async () => {
  await sql.end();
  await database.drop();
  previous.remove();
});

describe('the migrations since the previous release', () => {
  it('only add: programs of the previous release go on working beside those of this one', async () => {
    expect(before.columns.size).toBeGreaterThan(100);
    expect(before.rules.size).toBeGreaterThan(20);
    await migrate(database.url);
    expect(contractions(before, await readCatalog(sql))).toEqual([]);
  });

  it.each<[string, string, RegExp]>([
    ['a column that goes', 'alter table tunnels drop column protocol', /^tunnels.protocol is gone$/],
    ['a table that goes', 'drop table policy_reports', /^policy_reports\..* is gone$/],
    ['a column under another name', 'alter table tunnels rename column protocol to p', /^tunnels.protocol is gone$/],
    [
      'a column of another type',
      'alter table tunnels alter column region type varchar(5)',
      /^tunnels.region was text and is/,
    ],
    ['a column that must be given', 'alter table tunnels alter column org_id set not null', /must be given now$/],
    ['a new column that must be given', 'alter table tunnels add column x int not null', /^tunnels.x is new/],
    ['a new rule', 'alter table tunnels add check (region <> $$x$$)', /^a new rule for old rows: tunnels: CHECK/],
    [
      'a new unique index',
      'create unique index on tunnels (protocol)',
      /^a new rule for old rows: tunnels: CREATE UNIQUE/,
    ],
    ['a function that goes', 'drop function audit_text(audit_log) cascade', /^audit_text\(r audit_log\) is gone$/],
  ])('would be found to take away: %s', async (_what, statement, found) => {
    const now = await readCatalog(sql);
    let lines: string[] = [];
    const undone = await sql
      .begin(async (tx) => {
        await tx.unsafe(statement);
        // `readCatalog` calls nothing but queries, which a transaction takes as a pool does.
        lines = contractions(now, await readCatalog(tx as unknown as Sql));
        throw new Error('roll back');
      })
      .catch(String);
    expect(undone).toContain('roll back');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(found);
  });

  it('may add a table, an optional column and an index', async () => {
    const now = await readCatalog(sql);
    await sql.unsafe(
      'create table extra (id int primary key); alter table tunnels add column y int; alter table tunnels add column z int not null default 0; create index on tunnels (y)',
    );
    expect(contractions(now, await readCatalog(sql))).toEqual([]);
  });
});
