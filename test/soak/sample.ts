import { firstIdAt } from '../../src/db/uuid-time.ts';
import { quantile } from '../support/driver.ts';
import type { Drive } from './drive.ts';
import { askRedis } from './redis-memory.ts';
import type { Limit } from './slope.ts';
import type { Stage } from './stage.ts';

/** One look at everything; figures by name, those of tables as `table <name> MB`. */
export interface Sample {
  /** Since the start of the load. */
  readonly seconds: number;
  readonly figures: Readonly<Record<string, number>>;
}

const mb = 2 ** 20;

const tableSizes = async ({ sql }: Stage): Promise<Record<string, number>> => {
  const rows = await sql<{ name: string; bytes: number }[]>`
    select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'drizzle') and c.relname <> 'noted_applications'`;
  const sizes = rows.map(({ name, bytes }) => [`table ${name.replace(/^public\./, '')} MB`, bytes / mb] as const);
  return { ...Object.fromEntries(sizes), 'tables MB': sizes.reduce((sum, [, size]) => sum + size, 0) };
};

const ledger = async ({ sql }: Stage, from: number, to: number): Promise<Record<string, number>> => {
  const [counts] = await sql<
    { events: number; pending: number; failed: number; connections: number; removed: number }[]
  >`
    select (select coalesce(sum(n), 0)::float8 from event_counts) as events,
      (select count(*)::float8 from unfinished_events where status = 'pending') as pending,
      (select count(*)::float8 from unfinished_events where status = 'failed') as failed,
      (select count(*)::float8 from pg_stat_activity where application_name like 'notafter%' or application_name like 'bullmq%') as connections,
      (select coalesce(sum(removed), 0)::float8 from retention_walks where name in ('events', 'noted_events')) as removed`;
  const [apply] = await sql<{ p99: number | null }[]>`
    select percentile_cont(0.99) within group (order by extract(epoch from processed_at - created_at) * 1000)::float8 as p99
    from certificate_lifecycle_events where id >= ${firstIdAt(from)} and id < ${firstIdAt(to)} and processed_at is not null`;
  return {
    'ledger rows': counts?.events ?? 0,
    pending: counts?.pending ?? 0,
    'dead letters': counts?.failed ?? 0,
    'Postgres connections': counts?.connections ?? 0,
    removed: counts?.removed ?? 0,
    'apply p99 ms': apply?.p99 ?? Number.NaN,
  };
};

const redisUse = async ({ redis }: Stage): Promise<Record<string, number>> => {
  if (redis === null) return {};
  const { memory, clients } = await askRedis(redis.url);
  return { 'Redis MB': memory / mb, 'Redis connections': clients };
};

// Events of the last seconds may not be applied yet; they belong to the next sample.
const settlesMs = 5000;

/** Takes samples of a stage under load; each covers the time since the one before. */
export const sampler = (stage: Stage, drive: Drive, started: number) => {
  let from = started;
  return async (now: number): Promise<Sample> => {
    const to = now - settlesMs;
    const times = drive.take().times;
    const [api, worker, tables, counts, redis] = await Promise.all([
      stage.api.use(),
      stage.worker.use(),
      tableSizes(stage),
      ledger(stage, from, to),
      redisUse(stage),
    ]);
    from = to;
    const processes = Object.entries({ api, worker }).flatMap(([name, { rss, heap, fds }]) => [
      [`${name} RSS MB`, rss] as const,
      [`${name} heap MB`, heap] as const,
      [`${name} fds`, fds] as const,
    ]);
    return {
      seconds: (now - started) / 1000,
      figures: {
        ...Object.fromEntries(processes),
        'ack p50 ms': quantile(times, 0.5),
        'ack p99 ms': quantile(times, 0.99),
        ...counts,
        ...redis,
        accepted: drive.accepted(),
        notices: stage.received(),
        ...tables,
      },
    };
  };
};

const limits: readonly (readonly [RegExp, Limit])[] = [
  [/ RSS MB$/, { share: 0.1, least: 10 }],
  [/ heap MB$/, { share: 0.1, least: 4 }],
  [/ fds$|connections$/, { share: 0.1, least: 4 }],
  [/^Redis MB$/, { share: 0.1, least: 2 }],
  [/^tables MB$/, { share: 0.1, least: 20 }],
  [/^table .* MB$/, { share: 0.1, least: 8 }],
  [/^ledger rows$/, { share: 0.1, least: 5000 }],
  [/^pending$/, { share: 0.5, least: 200 }],
  [/^ack p99 ms$/, { share: 0.5, least: 25 }],
  [/^apply p99 ms$/, { share: 0.5, least: 100 }],
];

/** What a figure may rise by in an hour; undefined for one that only counts up. */
export const limitOf = (name: string): Limit | undefined => limits.find(([pattern]) => pattern.test(name))?.[1];
