import postgres from 'postgres';
import { AppError, StartError } from '../errors.ts';
import { databaseAddress } from '../lifecycle/database-url.ts';
import { drizzle, type PostgresJsDatabase, sql as drizzleSql } from './drizzle.ts';
import * as schema from './schema.ts';
import { socketOpener } from './socket.ts';
import { guardTransactions } from './transactions.ts';

export type Sql = postgres.Sql;
export type Tx = postgres.TransactionSql;
export type Orm = PostgresJsDatabase<typeof schema>;

/** Drizzle on a pool or a transaction. */
export const ormOn = (sql: postgres.Sql): Orm => drizzle(sql, { schema });

/**
 * One pool, two ways in: `orm` for everything, `sql` for the hot statements. Through `sql`, times come back as text and are
 * best read as epoch numbers, because Drizzle takes over the pool's time parsers.
 */
export interface Db {
  readonly sql: Sql;
  readonly orm: Orm;
  readonly close: () => Promise<void>;
}

export interface ConnectOptions {
  readonly max: number;
  readonly name: string;
  /** A statement that takes longer is cut off by the server; without it none is. */
  readonly statementSeconds?: number;
  /** PEM of the CAs that the server is checked by, in place of the system's. */
  readonly ca?: string | undefined;
}

/**
 * What the server does about a client that is not there any more and never said so: a transaction that is not carried on
 * gives its locks back (ms), and a connection that answers nothing is ended (s).
 */
const vanished = {
  idle_in_transaction_session_timeout: 15_000,
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
};
// What the server may be late by when it cuts a statement off.
const silentSeconds = 5;

export const connectDb = (url: string, { max, name, statementSeconds, ca }: ConnectOptions): Db => {
  const address = databaseAddress(url, ca);
  const silentMs = statementSeconds === undefined ? undefined : (statementSeconds + silentSeconds) * 1000;
  const options = {
    max,
    connect_timeout: 5,
    idle_timeout: 300,
    max_lifetime: 3600,
    backoff: (attempt: number) => Math.min(1, 0.05 * 2 ** attempt),
    connection: {
      application_name: name,
      ...vanished,
      ...(statementSeconds !== undefined && { statement_timeout: statementSeconds * 1000 }),
    },
    onnotice: () => undefined,
    // The driver takes connections from whoever opens them, although its types do not say so.
    socket: socketOpener({ tls: address.ssl, silentMs }),
  };
  const sql = postgres(address.url, options);
  guardTransactions(sql, isConnectionLost);
  return { sql, orm: ormOn(sql), close: () => sql.end({ timeout: 5 }) };
};

/**
 * Has the types of the server that the first connection read stand for all connections to come. Otherwise the driver reads them
 * on every connect, and when the server ends the connection in that moment nobody hears of it: the process dies of it.
 */
export const keepTypes = ({ sql }: Db): void => {
  Object.assign(sql.options, { fetch_types: false });
};

const settings = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

/** Checks that a commit on this server means durable storage; 202 promises no less. */
export const assertDurable = async ({ orm }: Db): Promise<void> => {
  const rows = await orm.execute<{ name: string; setting: string }>(
    drizzleSql`select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`,
  );
  const off = settings.filter((name) => rows.find((row) => row.name === name)?.setting === 'off');
  if (off.length > 0) {
    throw new StartError(
      `PostgreSQL runs with ${off.join(', ')} off, so a commit is not durable: turn ${off.length > 1 ? 'them' : 'it'} on`,
    );
  }
};

const connectionCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENOENT',
  // This process or machine may open no more for now.
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
]);
// 08 connection, 25006 read-only, 25P03 idle in a transaction, 40 rollback (deadlock, serialization), 53 resources, 55P03 lock, 57 intervention, 58 system.
const passingStates = /^(?:08|25006|25P03|40|53|55P03|57|58)/;

const codeOf = (error: unknown): string => {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code;
  }
  return '';
};

/** The connection is gone, or its server has just said that it ends it. */
const isConnectionLost = (error: unknown): boolean =>
  /^(?:CONNECTION_CLOSED|ECONNRESET|EPIPE|ETIMEDOUT|25P03|57P0[123])$/.test(codeOf(error));

/** A fault of our own infrastructure: the statement may succeed later, unchanged. */
export const isInfrastructureFault = (error: unknown): boolean => {
  const code = codeOf(error);
  return connectionCodes.has(code) || passingStates.test(code);
};

/** A statement refused for its data (SQLSTATE classes 22 and 23): the same data is refused for ever. */
export const isDataFault = (error: unknown): boolean => /^2[23]/.test(codeOf(error));

/** The server cut a statement off that took too long: at once, it would take as long again. */
export const isCutOff = (error: unknown): boolean => codeOf(error) === '57014';

const tooLong = 'The database took too long over this and was stopped: ask for less, or try again later';

/** Turns a fault of the database into the error that a caller is told. */
export const asUnavailable = (error: unknown): unknown => {
  if (isCutOff(error)) return new AppError('unavailable', tooLong, { retryAfterSeconds: 30, cause: error });
  return isInfrastructureFault(error)
    ? new AppError('unavailable', 'The database is not available; try again', { retryAfterSeconds: 2, cause: error })
    : error;
};
