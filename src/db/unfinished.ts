import type { Db } from './client.ts';

/** A pending event that its group's job should carry. */
export interface Grouped {
  readonly id: string;
  readonly group_id: string;
}

/** An event that a job of its own should carry, or, once given up, show. */
export interface Single {
  readonly id: string;
  readonly generation: number;
  readonly retry_count: number;
  readonly due_at: number | null;
}

const pageSize = 10_000;

async function* pages<T extends { id: string }>(read: (after: string) => Promise<T[]>): AsyncGenerator<T[]> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const page = await read(after);
    if (page.length > 0) yield page;
    if (page.length < pageSize) return;
    after = page.at(-1)?.id ?? after;
  }
}

/** All pending events that were never tried and were last touched before `before` (epoch ms), oldest first. */
export const groupedPending = ({ sql }: Db, before: number): AsyncGenerator<Grouped[]> =>
  pages(
    (after) => sql<Grouped[]>`
      select e.id, e.group_id from unfinished_events u join certificate_lifecycle_events e on e.id = u.event_id
      where u.status = 'pending' and u.event_id > ${after}
        and e.retry_count = 0 and e.generation = 0 and e.updated_at < to_timestamp(${before} / 1000.0)
      order by u.event_id limit ${pageSize}`,
  );

/** All pending events that have left their group, by a failed try or a replay. */
export const singlePending = ({ sql }: Db, before: number): AsyncGenerator<Single[]> =>
  pages(
    (after) => sql<Single[]>`
      select e.id, e.generation, e.retry_count, (extract(epoch from e.next_retry_at) * 1000)::float8 as due_at
      from unfinished_events u join certificate_lifecycle_events e on e.id = u.event_id
      where u.status = 'pending' and u.event_id > ${after}
        and (e.retry_count > 0 or e.generation > 0) and e.updated_at < to_timestamp(${before} / 1000.0)
      order by u.event_id limit ${pageSize}`,
  );

/** All dead letters that were given up in this time (epoch ms). */
export const deadLetters = (
  { sql }: Db,
  { from, before }: { readonly from: number; readonly before: number },
): AsyncGenerator<Single[]> =>
  pages(
    (after) => sql<Single[]>`
      select e.id, e.generation, e.retry_count, null::float8 as due_at
      from unfinished_events u join certificate_lifecycle_events e on e.id = u.event_id
      where u.status = 'failed' and u.event_id > ${after}
        and e.updated_at >= to_timestamp(${from} / 1000.0) and e.updated_at < to_timestamp(${before} / 1000.0)
      order by u.event_id limit ${pageSize}`,
  );

/** Moves events whose group's job is gone into a new group; those applied meanwhile stay out. Returns the ones moved. */
export const regroup = async ({ sql }: Db, ids: readonly string[], groupId: string): Promise<string[]> => {
  const rows = await sql<{ id: string }[]>`
    update certificate_lifecycle_events set group_id = ${groupId}
    where id = any(${[...ids]}::uuid[]) and status = 'pending' and retry_count = 0 and generation = 0
    returning id`;
  return rows.map(({ id }) => id);
};

// 'recn' in ASCII.
const lockKey = 0x7265636e;

/** Runs the work in one process at a time; null when another has it in hand. The lock ends with the connection that holds it. */
export const exclusively = async <T>({ sql }: Db, work: () => Promise<T>): Promise<T | null> => {
  let done: T | null = null;
  await sql.begin(async (tx) => {
    const [lock] = await tx<{ taken: boolean }[]>`select pg_try_advisory_xact_lock(${lockKey}) as taken`;
    if (lock?.taken === true) done = await work();
  });
  return done;
};
