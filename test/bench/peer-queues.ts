import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import postgres from 'postgres';
import type { Ctx } from '../../src/context.ts';
import { type Appended, appendEvents, type NewEvent } from '../../src/db/append.ts';

/** Writes a group of events and queues a job for each that is new; resolves when both are committed. */
export type Appender = (group: readonly NewEvent[]) => Promise<readonly Appended[]>;

/** Where `--peers` installs what is compared; no part of the project's own dependencies. */
export const peerFolder = fileURLToPath(new URL('../../.data/bench-peers/', import.meta.url));

// The parts of the two libraries that are called here; they are installed by the benchmark and have no types in the project.
interface Boss {
  on(event: 'error', listener: (error: Error) => void): unknown;
  start(): Promise<unknown>;
  createQueue(name: string, options: { notify: boolean; retryLimit: number }): Promise<void>;
  insert(name: string, jobs: { data: { id: string } }[], options: { db: BossDb }): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: { data: { id: string } }[]) => Promise<void>): Promise<string>;
}
interface BossDb {
  executeSql(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}
interface BossModule {
  readonly PgBoss: new (options: object) => Boss;
}
interface GraphileModule {
  readonly run: (options: object) => Promise<unknown>;
  readonly runMigrations: (options: object) => Promise<void>;
}

const load = (name: string): Promise<unknown> =>
  import(pathToFileURL(createRequire(`${peerFolder}package.json`).resolve(name)).href);

/** A started pg-boss with LISTEN/NOTIFY, its queue made. */
export const startBoss = async (connectionString: string): Promise<Boss> => {
  // The pinned version exports it so.
  const { PgBoss } = (await load('pg-boss')) as BossModule;
  const boss = new PgBoss({ connectionString, max: 10, useListenNotify: true });
  boss.on('error', (error) => process.stderr.write(`${error.message}\n`));
  await boss.start();
  await boss.createQueue('apply', { notify: true, retryLimit: 5 });
  return boss;
};

// The pinned version exports it so.
export const loadGraphile = async (): Promise<GraphileModule> => (await load('graphile-worker')) as GraphileModule;

type EnqueueIn = (tx: postgres.TransactionSql, ids: readonly string[]) => Promise<unknown>;

const bossEnqueue = async (url: string): Promise<EnqueueIn> => {
  const boss = await startBoss(url);
  return (tx, ids) => {
    // pg-boss writes its values as node-postgres takes them: strings, numbers and arrays of them.
    const executeSql = async (text: string, values: unknown[]) => ({
      rows: [...(await tx.unsafe(text, values as postgres.ParameterOrJSON<never>[]))],
    });
    return boss.insert(
      'apply',
      ids.map((id) => ({ data: { id } })),
      { db: { executeSql } },
    );
  };
};

const graphileEnqueue = async (url: string): Promise<EnqueueIn> => {
  await (await loadGraphile()).runMigrations({ connectionString: url });
  return (tx, ids) => tx`
    select count(*) from graphile_worker.add_jobs(array(
      select row('apply', json_build_object('id', id), null, null, null, null, null, null)::graphile_worker.job_spec
      from unnest(${[...ids]}::uuid[]) as id))`;
};

/** The product's group insert and the peer's own bulk insert of one job per event, in one transaction. */
export const peerAppender = async (peer: string, { config }: Ctx): Promise<Appender> => {
  const url = config.DATABASE_URL ?? '';
  const enqueue = peer === 'pg-boss' ? await bossEnqueue(url) : await graphileEnqueue(url);
  // JSON goes as the text it already is; this client would quote it once more.
  const json = { to: 114, from: [], serialize: (value: unknown) => value, parse: (value: unknown) => value };
  const sql = postgres(url, { max: 12, onnotice: () => undefined, types: { json } });
  return (group) =>
    sql.begin(async (tx) => {
      const [first] = group;
      if (first === undefined) return [];
      // appendEvents sends one statement through `sql` and nothing else of the client.
      const db = { sql: tx as unknown as postgres.Sql } as Parameters<typeof appendEvents>[0];
      const appended = await appendEvents(db, group, first.id);
      const ids = appended.flatMap((one) => (one.kind === 'created' ? [one.id] : []));
      if (ids.length > 0) await enqueue(tx, ids);
      return appended;
    });
};
