import type postgres from 'postgres';
import type { Sql, Tx } from './client.ts';

/** A column of times as epoch milliseconds, which is how the core has them. */
export const ms = (sql: Sql | Tx, column: string) => sql`(extract(epoch from ${sql(column)}) * 1000)::float8`;

/** An expression of a time as epoch milliseconds. */
export const msOf = (sql: Sql | Tx, time: postgres.Fragment) => sql`(extract(epoch from ${time}) * 1000)::float8`;
