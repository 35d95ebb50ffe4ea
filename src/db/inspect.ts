import type { Db } from './client.ts';
import { sql } from './drizzle.ts';
import { migrationsMissing } from './migrate.ts';

/** What an operator wants to know of a database; read without changing anything. */
export interface DatabaseFacts {
  /** As in `server_version`: `17.6`. */
  readonly version: string;
  readonly major: number;
  /** Migrations of this version that were not run; all of them on a database that was never migrated. */
  readonly migrationsMissing: number;
}

/** Version and migrations of the database. Rejects when it does not answer. */
export const databaseFacts = async (db: Db): Promise<DatabaseFacts> => {
  const [server] = await db.orm.execute<{ version: string; num: number }>(
    sql`select current_setting('server_version') as version, current_setting('server_version_num')::int as num`,
  );
  return {
    version: server?.version.split(' ')[0] ?? 'unknown',
    major: Math.floor((server?.num ?? 0) / 10_000),
    migrationsMissing: await migrationsMissing(db.sql),
  };
};
