import type { Db } from './client.ts';
import { sql } from './drizzle.ts';

/** Folds the deltas of the kept counts together. Runs at any time, beside readers and writers. */
export const compactCounts = async ({ orm }: Db): Promise<void> => {
  await orm.execute(sql`select compact_counts()`);
};
