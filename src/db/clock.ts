import type { Db } from './client.ts';

/** What time it is on the database's server, epoch ms. */
export const databaseTime = async ({ sql }: Pick<Db, 'sql'>): Promise<number> => {
  const [row] = await sql<{ ms: number }[]>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
  if (row === undefined) throw new Error('the database gave no time');
  return row.ms;
};
