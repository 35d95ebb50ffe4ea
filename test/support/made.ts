import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { grantRuntime } from '../../src/db/grants.ts';
import { migrate } from '../../src/db/migrate.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded.ts';
import { prepareQueueSchema } from '../../src/queues/queue-schema.ts';
import { guardServer } from './guard.ts';
import { runtimeRole } from './rights.ts';

export const TEMPLATE = 'notafter_template';
const root = fileURLToPath(new URL('../../', import.meta.url));

/** A server on `dataDir` with a migrated database to be copied, {@link TEMPLATE}. */
export const startTemplateServer = async (dataDir: string): Promise<EmbeddedPostgres> => {
  guardServer(dataDir);
  const server = await startEmbeddedPostgres({ dataDir, log: () => undefined, settings: { max_connections: '300' } });
  const sql = postgres(server.url, { max: 1 });
  await sql.unsafe(`CREATE DATABASE ${TEMPLATE}`);
  await sql.unsafe(`CREATE ROLE ${runtimeRole.name} LOGIN PASSWORD '${runtimeRole.password}'`);
  await sql.end();
  const template = new URL(server.url);
  template.pathname = `/${TEMPLATE}`;
  await migrate(template.href);
  await prepareQueueSchema(template.href);
  await grantRuntime(template.href, runtimeRole.name);
  return server;
};

/** Brings dist/ up to date; the path of its cli.js. */
export const build = async (): Promise<string> => {
  await promisify(execFile)(process.execPath, ['scripts/setup.mjs', 'build'], { cwd: root });
  return path.join(root, 'dist', 'cli.js');
};
