import type { Db } from './client.ts';

/** A statement as the Postgres store of rate-limiter-flexible words it. */
interface Statement {
  readonly text: string;
  readonly values?: (string | number | null)[];
}

/** Table of the counters. */
export const attemptsTable = 'access_attempts';

/** What rate-limiter-flexible keeps its counts with, so that a limit holds over processes and restarts. */
export const attemptsStore = ({ sql }: Pick<Db, 'sql'>) => ({
  query: async ({ text, values = [] }: Statement) => {
    const rows = await sql.unsafe(text, values);
    return { rows, rowCount: rows.count };
  },
});
