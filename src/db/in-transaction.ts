import type postgres from 'postgres';
import { type Db, ormOn } from './client.ts';

/** What begins a transaction within one joins it. */
const joined = (db: Db, tx: postgres.TransactionSql): Db => {
  const begin = <T>(work: (inner: postgres.TransactionSql) => T): T => work(tx);
  // A transaction's handle does all that the pool's does but what is given here, and open or close connections.
  const sql = Object.assign(tx, { begin, options: db.sql.options }) as unknown as Db['sql'];
  return { sql, orm: ormOn(sql), close: db.close };
};

/**
 * Runs work in one transaction. Whatever of `db/` the work calls with the `db` it is given takes part, also what would
 * begin a transaction of its own.
 */
export const inTransaction = <T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> =>
  // The driver unwraps arrays of promises in its result type; work resolves to T, which is none.
  db.sql.begin((tx) => work(joined(db, tx))) as Promise<T>;
