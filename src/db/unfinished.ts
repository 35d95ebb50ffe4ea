import type { Db } from './client.ts';

/** An event that is not applied, and what should carry it: its group's job, or one of its own that, once it is given up, shows it. */
export interface Unfinished {
  readonly id: string;
  readonly group_id: string;
  readonly generation: number;
  readonly retry_count: number;
  readonly due_at: number | null;
}

/** Epoch milliseconds between which an event was last touched. */
export interface Touched {
  readonly from: number;
  readonly before: number;
}

// A page is a range of keys, however few of its events are asked for: a statement that went on over millions would keep
// PostgreSQL from clearing up behind all others.
const pageSize = 2000;

interface Page {
  readonly last: string | null;
  readonly events: Unfinished[] | null;
}

type Status = 'pending' | 'failed';

/** Event ids: after the one, up to and with the other. */
interface Range {
  readonly after: string;
  readonly upTo: string;
}

const newest = async ({ sql }: Db, status: Status): Promise<string | null> => {
  const [row] = await sql<{ event_id: string }[]>`
    select event_id from unfinished_events where status = ${status} order by event_id desc limit 1`;
  return row?.event_id ?? null;
};

const readPage = async ({ sql }: Db, status: Status, { after, upTo }: Range, touched: Touched): Promise<Page> => {
  const [page] = await sql<Page[]>`
    with keys as (
      select event_id from unfinished_events where status = ${status} and event_id > ${after} and event_id <= ${upTo}
      order by event_id limit ${pageSize})
    select (select event_id from keys order by event_id desc limit 1) as last,
      (select json_agg(json_build_object('id', e.id, 'group_id', e.group_id, 'generation', e.generation, 'retry_count', e.retry_count,
          'due_at', (extract(epoch from e.next_retry_at) * 1000)::float8) order by e.id)
       from keys k join certificate_lifecycle_events e on e.id = k.event_id
       where e.updated_at >= to_timestamp(${touched.from} / 1000.0) and e.updated_at < to_timestamp(${touched.before} / 1000.0)) as events`;
  return page ?? { last: null, events: null };
};

/** Comes before every event. */
export const fromTheStart = '00000000-0000-0000-0000-000000000000';

/**
 * All events of a status after one of them that were last touched in this time, oldest first, with the id to go on from.
 * Those that come while it is walked are not waited for: under a steady load there would be no end to it.
 */
export async function* unfinished(
  db: Db,
  status: Status,
  touched: Touched,
  from = fromTheStart,
): AsyncGenerator<{ readonly last: string; readonly events: readonly Unfinished[] }> {
  const upTo = await newest(db, status);
  if (upTo === null) return;
  for (let after = from; ;) {
    const { last, events } = await readPage(db, status, { after, upTo }, touched);
    if (last === null) return;
    yield { last, events: events ?? [] };
    after = last;
  }
}

/** Dead letters that are older than `before` (epoch ms). */
export const deadBefore = async ({ sql }: Db, before: number): Promise<number> => {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from dead_letters where failed_at < to_timestamp(${before} / 1000.0)`;
  return row?.n ?? 0;
};

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
