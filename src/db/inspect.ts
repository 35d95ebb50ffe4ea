import type { Db } from './client.ts';
import { readMigrationFiles, sql } from './drizzle.ts';
import { migrationsFolder } from './migrate.ts';

/** What an operator wants to know of a database; read without changing anything. */
export interface DatabaseFacts {
  /** As in `server_version`: `17.6`. */
  readonly version: string;
  readonly major: number;
  /** Migrations of this version that were not run; all of them on a database that was never migrated. */
  readonly migrationsMissing: number;
}

const lastMigration = async ({ orm }: Db): Promise<number> => {
  const [table] = await orm.execute<{ there: boolean }>(
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
  );
  if (table?.there !== true) return 0;
  const [row] = await orm.execute<{ last: number }>(
    sql`select coalesce(max(created_at), 0)::float8 as last from drizzle.__drizzle_migrations`,
  );
  return row?.last ?? 0;
};

/** Version and migrations of the database. Rejects when it does not answer. */
export const databaseFacts = async (db: Db): Promise<DatabaseFacts> => {
  const [server] = await db.orm.execute<{ version: string; num: number }>(
    sql`select current_setting('server_version') as version, current_setting('server_version_num')::int as num`,
  );
  const last = await lastMigration(db);
  const missing = readMigrationFiles({ migrationsFolder: migrationsFolder() }).filter(
    ({ folderMillis }) => folderMillis > last,
  );
  return {
    version: server?.version.split(' ')[0] ?? 'unknown',
    major: Math.floor((server?.num ?? 0) / 10_000),
    migrationsMissing: missing.length,
  };
};
