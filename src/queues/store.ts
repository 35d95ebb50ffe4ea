import {
  createPostgresBackend,
  type Job,
  type PostgresConnectionOptions,
  type PostgresQueueBackend,
  Queue,
  Worker,
  type Processor,
  type QueueOptions,
  type WorkerOptions,
} from 'bullmq';
import { Redis } from 'ioredis';
import { type ClientConfig, Pool } from 'pg';
import { StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';
import { askPostgres, askRedis } from './afresh.ts';
import type { QueueName } from './catalog.ts';
import { freeEnded, freeSilent } from './ended.ts';
import { ensureQueueSchema, queueSchema } from './queue-schema.ts';
import { redisTls } from './redis-facts.ts';

/** The part of a BullMQ queue that is used here; the same for both stores. */
export type JobQueue = Pick<
  Queue<unknown>,
  | 'add'
  | 'addBulk'
  | 'clean'
  | 'close'
  | 'drain'
  | 'getJob'
  | 'getJobCounts'
  | 'getJobs'
  | 'getJobSchedulers'
  | 'getJobSchedulersCount'
  | 'getJobState'
  | 'getWorkers'
  | 'isPaused'
  | 'obliterate'
  | 'pause'
  | 'promoteJobs'
  | 'remove'
  | 'removeJobScheduler'
  | 'resume'
  | 'upsertJobScheduler'
>;

/** A job as a queue gives it. */
export type StoredJob = Job<unknown>;
export interface JobWorker extends Pick<Worker<unknown>, 'close' | 'isRunning'> {
  readonly on: (event: 'error', listener: (error: Error) => void) => unknown;
}
type OnError = (error: Error) => void;

type QueueSettings = Omit<QueueOptions<unknown>, 'connection' | 'prefix' | 'defaultJobOptions'>;
type WorkerSettings = Omit<WorkerOptions<unknown>, 'connection' | 'prefix'>;

/** What operators see of the server behind the queues: how it does, never where it is or who may use it. */
export type StoreFacts =
  | { readonly backend: 'redis'; /** Lines of INFO. */ readonly info: string }
  | {
      readonly backend: 'postgres';
      readonly version: string;
      readonly port: number;
      /** Seconds. */
      readonly uptime: number;
      readonly clients: { connected: number; blocked: number };
    };

/** What the queue's store may have forgotten since it was last looked at. */
export type Memory = 'kept' | 'doubtful';

/** Where queues live. Redis and PostgreSQL behind one face; nothing else knows which it is. */
export interface Store {
  readonly backend: 'redis' | 'postgres';
  /** Opens a queue, whose jobs are kept when done as the store can afford it; rejects while the store does not answer. */
  readonly queue: (name: QueueName, settings: QueueSettings) => Promise<JobQueue>;
  readonly worker: (name: QueueName, run: Processor<unknown>, settings: WorkerSettings) => JobWorker;
  /** Throws StartError when the store can never be used as it is set up; any other error when it does not answer. */
  readonly check: () => Promise<void>;
  /** Whether the store is the one that was last confirmed, with its memory; a restart or a flush makes it doubtful. */
  readonly memory: () => Promise<Memory>;
  /** Asks what `memory` asks, over a connection of its own: rejects when nobody would be answered, not this process alone. */
  readonly afresh: () => Promise<unknown>;
  /** Confirms that all the ledger's unfinished work has been queued in the store as it is now. */
  readonly confirm: () => Promise<void>;
  readonly facts: () => Promise<StoreFacts>;
  readonly close: () => Promise<void>;
}

const reconnectDelay = (attempt: number): number => Math.min(1000, 50 * 2 ** Math.min(attempt, 6));
// A connection that owes an answer for so long leads nowhere any more, which TCP finds out only after a quarter of an hour.
// Workers wait for jobs at most ten seconds at a time, and the server cuts statements off after half a minute.
const [answerMs, blockedMs, statementMs] = [5000, 15_000, 30_000];
// A Redis that loads its data says how long it will still take, and may be minutes off: it is asked again all the same.
const loadingMs = 500;
const oldestRedis = [6, 2] as const;
// Jobs that are done are there for operators to look at. In PostgreSQL each further one that ends would read them all, to find
// those beyond the last so many: with a thousand kept a job costs three times as much as with none.
const [doneInRedis, doneInPostgres] = [{ removeOnComplete: { age: 3600, count: 1000 } }, { removeOnComplete: true }];

const field = (info: string, name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';

const shownFields =
  /^(?:redis_version|redis_mode|tcp_port|uptime_in_seconds|maxmemory|total_system_memory|used_memory|used_memory_peak|mem_fragmentation_ratio|connected_clients|blocked_clients):.*$/gm;

const assertUsable = (info: string): void => {
  const version = field(info, 'redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < oldestRedis[0] || (major === oldestRedis[0] && minor < oldestRedis[1])) {
    throw new StartError(`Redis ${version} is too old: 6.2 or newer is needed`);
  }
  const policy = field(info, 'maxmemory_policy');
  if (policy !== '' && policy !== 'noeviction') {
    throw new StartError(`Redis evicts keys (maxmemory-policy ${policy}): set it to noeviction, or jobs are lost`);
  }
};

const failingFast = {
  maxRetriesPerRequest: null,
  enableOfflineQueue: false,
  connectTimeout: 3000,
  commandTimeout: 5000,
  socketTimeout: answerMs,
  maxLoadingRetryTime: loadingMs,
  retryStrategy: reconnectDelay,
  lazyConnect: true,
};

/**
 * Queues in Redis. Every worker has connections of its own; all queues share one that fails fast while Redis is away.
 *
 * @param ca PEM of the CAs that a `rediss:` server is checked by, in place of the system's
 */
export const redisStore = (url: string, prefix: string, onError: OnError, ca?: string): Store => {
  const tls = redisTls(ca);
  const producer = new Redis(url, { ...tls, ...failingFast });
  producer.on('error', onError);
  const clients: Redis[] = [producer];
  const epochKey = `${prefix}:epoch`;
  const recall = (client: Redis) => Promise.all([client.info('server'), client.get(epochKey)]);
  const ready = async (): Promise<void> => {
    if (producer.status === 'wait') await producer.connect();
  };
  return {
    backend: 'redis',
    queue: async (name, settings) => {
      await ready();
      // A queue that is opened while Redis is away stays broken when it is back.
      if (producer.status !== 'ready') throw new Error('Redis does not answer');
      const queue = new Queue<unknown>(name, {
        ...settings,
        defaultJobOptions: doneInRedis,
        connection: producer,
        prefix,
      });
      queue.on('error', onError);
      await queue.waitUntilReady();
      return queue;
    },
    worker: (name, run, settings) => {
      const connection = new Redis(url, {
        ...tls,
        maxRetriesPerRequest: null,
        connectTimeout: 3000,
        socketTimeout: blockedMs,
        maxLoadingRetryTime: loadingMs,
        retryStrategy: reconnectDelay,
      });
      connection.on('error', onError);
      clients.push(connection);
      return new Worker<unknown>(name, run, { ...settings, connection, prefix });
    },
    check: async () => {
      await ready();
      assertUsable(`${await producer.info('server')}\n${await producer.info('memory')}`);
    },
    memory: async () => {
      const [info, epoch] = await recall(producer);
      return epoch === field(info, 'run_id') ? 'kept' : 'doubtful';
    },
    afresh: () => askRedis(url, { tls, ask: recall, onError }),
    confirm: async () => {
      await producer.set(epochKey, field(await producer.info('server'), 'run_id'));
    },
    facts: async () => {
      await ready();
      return { backend: 'redis', info: (await producer.info()).match(shownFields)?.join('\n') ?? '' };
    },
    close: async () => {
      for (const client of clients) client.disconnect();
    },
  };
};

// As for the other connections to the database: a client that vanished keeps no lock and no connection.
const serverSettings = [
  `-c statement_timeout=${statementMs}`,
  '-c idle_in_transaction_session_timeout=15s',
  '-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3',
].join(' ');

const factsQuery = `
  select split_part(current_setting('server_version'), ' ', 1) as version, current_setting('port')::int as port,
    extract(epoch from now() - pg_postmaster_start_time())::int as uptime,
    (select count(*)::int from pg_stat_activity where datname = current_database()) as connected,
    (select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock') as blocked`;

interface FactsRow {
  readonly version: string;
  readonly port: number;
  readonly uptime: number;
  readonly connected: number;
  readonly blocked: number;
}

const factsOf = async (pool: Pool): Promise<StoreFacts> => {
  const [row] = (await pool.query<FactsRow>(factsQuery)).rows;
  if (row === undefined) throw new Error('PostgreSQL says nothing of itself');
  const { version, port, uptime, connected, blocked } = row;
  return { backend: 'postgres', version, port, uptime, clients: { connected, blocked } };
};

const openPool = (where: ClientConfig, max: number, onError: OnError): Pool => {
  const pool = new Pool({
    ...where,
    max,
    options: `-c search_path=${queueSchema} ${serverSettings}`,
    application_name: 'notafter queues',
    connectionTimeoutMillis: 5000,
  });
  pool.on('error', onError);
  // The pool listens to what is idle only, and an error that nobody hears ends the process.
  pool.on('connect', (client) => void client.on('error', onError));
  freeEnded(pool);
  freeSilent(pool, statementMs + answerMs);
  return pool;
};

/** Queues in PostgreSQL, in a schema of their own on the product's database: what it remembers is what the ledger remembers. */
export const postgresStore = (url: string, max: number, onError: OnError, ca?: string): Store => {
  const address = databaseAddress(url, ca);
  const where = { connectionString: address.url, ssl: address.ssl };
  const pool = openPool(where, max, onError);
  // BullMQ describes the part of pg.Pool that it calls, without pg's overloads; a real pool is what it is made for.
  const connection = pool as PostgresConnectionOptions;
  return {
    backend: 'postgres',
    queue: async (name, settings) => {
      const queue = new Queue<
        unknown,
        unknown,
        string,
        unknown,
        unknown,
        string,
        PostgresQueueBackend,
        PostgresConnectionOptions
      >(name, { ...settings, defaultJobOptions: doneInPostgres, connection }, createPostgresBackend);
      queue.on('error', onError);
      await queue.waitUntilReady();
      return queue;
    },
    worker: (name, run, settings) =>
      new Worker<unknown, unknown, string, PostgresQueueBackend, object, PostgresConnectionOptions>(
        name,
        run,
        { ...settings, connection },
        createPostgresBackend,
      ),
    check: async () => {
      const client = await pool.connect();
      try {
        await ensureQueueSchema(client);
      } finally {
        client.release();
      }
    },
    memory: async () => {
      await pool.query('select 1');
      return 'kept';
    },
    afresh: () => askPostgres(where, onError),
    confirm: async () => undefined,
    facts: () => factsOf(pool),
    close: () => pool.end(),
  };
};
