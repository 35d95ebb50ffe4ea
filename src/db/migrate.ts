import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';
import { drizzle, readMigrationFiles, runMigrations } from './drizzle.ts';

// 'nota' in ASCII; any other program on this database must simply not use the same number.
const lockKey = 0x6e6f7461;
const oldestServer = 150_000;

/** Where the migrations of this version lie. @throws StartError when they were not installed with it. */
export const migrationsFolder = (): string => {
  const folder = fileURLToPath(new URL('../../drizzle', import.meta.url));
  if (!existsSync(folder))
    throw new StartError('The drizzle directory with the migrations is missing beside dist: install the package whole');
  return folder;
};

/** Migrations of this version that a database with this last one has not seen. */
const missingAfter = (last: number): number =>
  readMigrationFiles({ migrationsFolder: migrationsFolder() }).filter(({ folderMillis }) => folderMillis > last).length;

/** How many migrations of this version were not run; all of them on a database that was never migrated. Changes nothing. */
export const migrationsMissing = async (sql: postgres.Sql): Promise<number> => {
  const [table] = await sql<{ there: boolean }[]>`
    select to_regclass('drizzle.__drizzle_migrations') is not null as there`;
  if (table?.there !== true) return missingAfter(0);
  const [row] = await sql<{ last: number }[]>`
    select coalesce(max(created_at), 0)::float8 as last from drizzle.__drizzle_migrations`;
  return missingAfter(row?.last ?? 0);
};

const isDenied = (error: unknown): boolean => {
  for (let current = error; current instanceof Error; current = current.cause)
    if ('code' in current && current.code === '42501') return true;
  return false;
};

/**
 * Brings the database to this version's schema; one that is there already is only read. Starters that come at the same time
 * wait for one another on an advisory lock; all steps are one transaction, so a migrator that is killed leaves the schema as
 * it was.
 *
 * @throws StartError when the schema is behind and the role of the URL may not change it
 */
export const migrate = async (url: string, ca?: string): Promise<void> => {
  const address = databaseAddress(url, ca);
  const sql = postgres(address.url, {
    ssl: address.ssl,
    max: 1,
    connect_timeout: 5,
    onnotice: () => undefined,
    connection: { application_name: 'notafter migrate' },
  });
  try {
    const [server] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`;
    if (server !== undefined && server.version < oldestServer)
      throw new StartError('PostgreSQL is older than 15: upgrade the server');
    if ((await migrationsMissing(sql)) === 0) return;
    await sql`select pg_advisory_lock(${lockKey})`;
    // failpoint: migrate.locked
    await runMigrations(drizzle(sql), { migrationsFolder: migrationsFolder() });
    // failpoint: migrate.migrated
  } catch (error) {
    if (!isDenied(error)) throw error;
    throw new StartError(
      'the schema of the database is not that of this version, and the role of DATABASE_URL may not change it: run notafter migrate --grant-to with this role, as the one that owns the schema',
    );
  } finally {
    await sql.end({ timeout: 5 });
  }
};
