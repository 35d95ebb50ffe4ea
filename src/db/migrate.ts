import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { StartError } from '../errors.ts';
import { drizzle, runMigrations } from './drizzle.ts';

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

/**
 * Brings the database to this version's schema. Starters that come at the same time wait for one another on an advisory
 * lock; all steps are one transaction, so a migrator that is killed leaves the schema as it was.
 */
export const migrate = async (url: string): Promise<void> => {
  const sql = postgres(url, {
    max: 1,
    connect_timeout: 5,
    onnotice: () => undefined,
    connection: { application_name: 'notafter migrate' },
  });
  try {
    const [server] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`;
    if (server !== undefined && server.version < oldestServer)
      throw new StartError('PostgreSQL is older than 15: upgrade the server');
    await sql`select pg_advisory_lock(${lockKey})`;
    await runMigrations(drizzle(sql), { migrationsFolder: migrationsFolder() });
  } finally {
    await sql.end({ timeout: 5 });
  }
};
