import type { Db } from './client.ts';
import { sql } from './drizzle.ts';

/** Whether this server takes writes now; throws when it does not answer. */
export const isWritable = async ({ orm }: Db): Promise<boolean> => {
  const rows = await orm.execute<{ writable: boolean }>(
    sql`select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writable`,
  );
  return rows[0]?.writable === true;
};
