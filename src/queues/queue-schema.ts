import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq';
import { Client, type ClientBase } from 'pg';
import { StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';
import { queueNames } from './catalog.ts';

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
 * BullMQ makes the sequence that numbers the jobs of a queue with the first job that needs a number, which a role without the
 * right to make one never could. Its own function makes it under its own lock.
 */
const ensureNumbers = async (client: ClientBase): Promise<void> => {
  await client.query(
    `select ${queueSchema}.next_job_id(name) from unnest($1::text[]) as name
     where to_regclass('${queueSchema}.' || ${queueSchema}.job_id_seq_name(name)) is null`,
    [[...queueNames]],
  );
};

/** Jobs that are added together go through a temporary table. */
const mayAddTogether = async (client: ClientBase): Promise<boolean> => {
  const { rows } = await client.query<{ may: boolean }>(
    `select has_database_privilege(current_database(), 'TEMPORARY') as may`,
  );
  return rows[0]?.may === true;
};

const lacksRights = (): StartError =>
  new StartError(
    'the queues in the database are not those of this version, or the role of DATABASE_URL lacks rights to them, and it may not change that: run notafter migrate --grant-to with this role, as the one that owns the schema and without REDIS_URL',
  );

const bringUp = async (client: ClientBase): Promise<void> => {
  try {
    if ((await versionOf(client)) < LATEST_SCHEMA_VERSION) await runMigrations(client, queueSchema);
    await ensureNumbers(client);
  } catch (error) {
    if (codeOf(error) === '42501') throw lacksRights();
    if (nameOf(error) === 'SchemaVersionMismatchError')
      throw new StartError('the queues in the database were made by a newer version: start that one, or use Redis');
    throw error;
  }
};

/**
 * Brings the schema of the queues to this version; one that is there already is only read.
 *
 * @throws StartError when it is behind and the role may not change it, when the role may not add jobs, or when a newer version
 * made it
 */
export const ensureQueueSchema = async (client: ClientBase): Promise<void> => {
  await bringUp(client);
  if (!(await mayAddTogether(client))) throw lacksRights();
};

/** Brings the schema up from outside a store, on a connection of its own, for whichever role is to add jobs. */
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
    await bringUp(client);
  } finally {
    await client.end();
  }
};
