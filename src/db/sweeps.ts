import type { Db } from './client.ts';

/** Work that comes round by the clock, and that an alert watches. */
export type SweepName = 'probe' | 'settle' | 'deliver' | 'ari' | 'watch' | 'policy' | 'retention';

// Beside the counters, but none of them: the time, in epoch ms, until which a sweep is known to have done its work.
const name = 'sweep_last_success_ms';

/** Notes that a sweep went through without a fault at `at` (epoch ms); an earlier time never replaces a later one. */
export const noteSweep = async ({ sql }: Pick<Db, 'sql'>, sweep: SweepName, at: number): Promise<void> => {
  await sql`
    insert into counters (name, labels, value) values (${name}, ${sweep}, ${Math.floor(at)})
    on conflict (name, labels) do update set value = excluded.value where counters.value < excluded.value`;
};

/** When each sweep last went through, epoch ms, whichever process ran it; a sweep that never did is left out. */
export const readSweeps = async ({ sql }: Pick<Db, 'sql'>): Promise<ReadonlyMap<SweepName, number>> => {
  const rows = await sql<{ sweep: SweepName; at: number }[]>`
    select labels as sweep, value::float8 as at from counters where name = ${name}`;
  return new Map(rows.map(({ sweep, at }) => [sweep, at]));
};
