import type postgres from 'postgres';
import type { Sql, Tx } from './client.ts';

/**
 * A column of times as epoch milliseconds, which is how the core has them. `date_part` works in floats, several times as fast
 * as the numerics of `extract`; rounding makes whole milliseconds of what it is off by, which is all that columns keep.
 */
export const ms = (sql: Sql | Tx, column: string) => sql`round(date_part('epoch', ${sql(column)}) * 1000)`;

/** An expression of a time as epoch milliseconds. */
export const msOf = (sql: Sql | Tx, time: postgres.Fragment) => sql`(extract(epoch from ${time}) * 1000)::float8`;
