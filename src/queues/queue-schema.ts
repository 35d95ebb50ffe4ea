import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq';
import { Client, type ClientBase } from 'pg';
import { StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';

/** The schema of BullMQ's tables on the product's database. */
export const queueSchema = 'bullmq';

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : null);
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** The version of the schema that is there; 0 where there is none. */
const versionOf = async (client: ClientBase): Promise<number> => {
  try {
    return await assertSchemaCompatibility(client, queueSchema);
  } catch (error) {
    if (nameOf(error) === 'SchemaMigrationRequiredError') return 0;
    throw error;
  }
};

/**
 * Brings the schema of the queues to this version; one that is there already is only read.
 *
 * @throws StartError when it is behind and the role may not change it, or when a newer version made it
 */
export const ensureQueueSchema = async (client: ClientBase): Promise<void> => {
  try {
    if ((await versionOf(client)) < LATEST_SCHEMA_VERSION) await runMigrations(client, queueSchema);
  } catch (error) {
    if (codeOf(error) === '42501')
      throw new StartError(
        'the queues in the database are not those of this version, and the role of DATABASE_URL may not change them: run notafter migrate --grant-to with this role, as the one that owns the schema and without REDIS_URL',
      );
    if (nameOf(error) === 'SchemaVersionMismatchError')
      throw new StartError('the queues in the database were made by a newer version: start that one, or use Redis');
    throw error;
  }
};

/** The same from outside a store, on a connection of its own. */
export const prepareQueueSchema = async (url: string, ca?: string): Promise<void> => {
  const address = databaseAddress(url, ca);
  const client = new Client({
    connectionString: address.url,
    ssl: address.ssl,
    application_name: 'notafter migrate',
    connectionTimeoutMillis: 5000,
  });
  // What was asked fails with the connection; an error that nobody hears would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await ensureQueueSchema(client);
  } finally {
    await client.end();
  }
};
