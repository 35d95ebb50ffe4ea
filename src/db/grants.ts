import postgres from 'postgres';
import { StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';
import type { Tx } from './client.ts';

/** What a running process does with a table; whatever is not named here it reads, adds to, changes and clears. */
const narrower: Readonly<Record<string, string>> = {
  audit_log: 'select, insert',
  audit_checkpoints: 'select, insert',
  audit_head: 'select, update',
};
const all = 'select, insert, update, delete';
const queueSchema = 'bullmq';

interface Named {
  readonly name: string;
}

/** Tables and views of this role in a schema; those of other programs belong to others. */
const ownTables = (sql: Tx, schema: string): Promise<Named[]> =>
  sql<Named[]>`
    select c.relname as name from pg_class c
    where c.relnamespace = ${schema}::regnamespace and c.relkind in ('r', 'p', 'v') and pg_has_role(c.relowner, 'usage')`;

const ownSequences = (sql: Tx, schema: string): Promise<Named[]> =>
  sql<Named[]>`
    select c.relname as name from pg_class c
    where c.relnamespace = ${schema}::regnamespace and c.relkind = 'S' and pg_has_role(c.relowner, 'usage')`;

const grantTables = async (sql: Tx, schema: string, to: string, rightsOf: (table: string) => string): Promise<void> => {
  await sql`grant usage on schema ${sql(schema)} to ${sql(to)}`;
  for (const { name } of await ownTables(sql, schema)) {
    const table = `${schema}.${name}`;
    await sql`revoke all on ${sql(table)} from ${sql(to)}`;
    await sql`grant ${sql.unsafe(rightsOf(name))} on ${sql(table)} to ${sql(to)}`;
  }
  for (const { name } of await ownSequences(sql, schema))
    await sql`grant usage, select on sequence ${sql(`${schema}.${name}`)} to ${sql(to)}`;
};

const exists = async (sql: Tx, schema: string): Promise<boolean> =>
  (await sql`select 1 from pg_namespace where nspname = ${schema}`).length > 0;

/** The queues add jobs together by way of a temporary table. */
const grantTemporary = async (sql: Tx, to: string): Promise<void> => {
  const [row] = await sql<{ name: string; may: boolean }[]>`
    select current_database() as name, has_database_privilege(${to}, current_database(), 'TEMPORARY') as may`;
  if (row?.may === false) await sql`grant temporary on database ${sql(row.name)} to ${sql(to)}`;
};

/**
 * Gives a role what `all`, `serve` and `work` need on the database as it is now, and no more: rows, but no tables; the audit
 * log to read and to add to. Rights of an earlier version that are needed no longer are taken back.
 *
 * @throws StartError when there is no such role, or when the role of the URL may not give these rights
 */
export const grantRuntime = async (url: string, role: string, ca?: string): Promise<void> => {
  const address = databaseAddress(url, ca);
  const sql = postgres(address.url, {
    ssl: address.ssl,
    max: 1,
    connect_timeout: 5,
    onnotice: () => undefined,
    connection: { application_name: 'notafter migrate' },
  });
  try {
    const [known] = await sql<{ super: boolean }[]>`select rolsuper as super from pg_roles where rolname = ${role}`;
    if (known === undefined)
      throw new StartError('there is no role of that name: make it first, see ops/postgres/roles.sql');
    await sql.begin(async (tx) => {
      await grantTables(tx, 'public', role, (table) => narrower[table] ?? all);
      await grantTables(tx, 'drizzle', role, () => 'select');
      if (await exists(tx, queueSchema)) {
        await grantTables(tx, queueSchema, role, (table) => (table === 'migration' ? 'select' : all));
        await grantTemporary(tx, role);
      }
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
};
