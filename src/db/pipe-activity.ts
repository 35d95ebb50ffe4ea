import { type ActivityCounts, durationBounds, type PipeRates, type PipeStep, ratesOf } from '../lifecycle/activity.ts';
import { type FailedTries, spikeMinutes } from '../lifecycle/self-watch.ts';
import { errorClasses } from '../lifecycle/types.ts';
import type { Db } from './client.ts';

type Reader = Pick<Db, 'sql'>;

const minuteMs = 60_000;
const keptMinutes = 8 * 24 * 60;
const stepMinutes = 10;
const fineMinutes = 120;
// Enough that nothing stays fine which no worker was there to fold.
const foldedMinutes = 24 * 60;
const stepsOfADay = (24 * 60) / stepMinutes;

/** One count to add: what, in which class of duration, how many. */
export interface ActivityDelta {
  readonly kind: string;
  readonly bucket: number;
  readonly n: number;
}

/** Adds what a process did to the minute of `now` (epoch ms). */
export const addActivity = async ({ sql }: Reader, deltas: readonly ActivityDelta[], now: number): Promise<void> => {
  if (deltas.length === 0) return;
  await sql`
    insert into pipe_activity (minute, kind, bucket, n)
    select ${Math.floor(now / minuteMs)}::int, u.kind, u.bucket, u.n
    from unnest(${deltas.map(({ kind }) => kind)}::text[], ${deltas.map(({ bucket }) => bucket)}::int2[],
      ${deltas.map(({ n }) => n)}::int8[]) as u(kind, bucket, n)
    order by u.kind, u.bucket
    on conflict (minute, kind, bucket) do update set n = pipe_activity.n + excluded.n`;
};

/** Keeps the last two hours by the minute, the days before them in steps of ten, and removes what is older than eight days. */
export const foldActivity = async ({ sql }: Reader, now: number): Promise<void> => {
  const minute = Math.floor(now / minuteMs);
  const until = Math.floor((minute - fineMinutes) / stepMinutes) * stepMinutes;
  await sql`delete from pipe_activity where minute < ${minute - keptMinutes}`;
  await sql`
    with fine as (
      delete from pipe_activity where minute >= ${until - foldedMinutes} and minute < ${until} and minute % ${stepMinutes}::int <> 0
      returning *)
    insert into pipe_activity (minute, kind, bucket, n)
    select minute - minute % ${stepMinutes}::int, kind, bucket, sum(n) from fine group by 1, 2, 3 order by 1, 2, 3
    on conflict (minute, kind, bucket) do update set n = pipe_activity.n + excluded.n`;
};

/** What was done of one kind within a step, by class of duration. */
interface Summed {
  readonly step: number;
  readonly kind: string;
  readonly counts: Readonly<Record<string, number>>;
}

const summed = ({ sql }: Reader, from: number, to: number, step: number) => sql<Summed[]>`
  select step, kind, json_object_agg(bucket, n) as counts
  from (
    select (minute - ${from}::int) / ${step}::int as step, kind, bucket, sum(n) as n
    from pipe_activity where minute >= ${from} and minute < ${to}
    group by 1, 2, 3) s
  group by 1, 2`;

const byBucket = (rows: readonly Summed[], kind: string): number[] => {
  const found = rows.find((row) => row.kind === kind)?.counts ?? {};
  return Array.from({ length: durationBounds.length + 1 }, (_, bucket) => found[bucket] ?? 0);
};

const sumOf = (rows: readonly Summed[], wanted: (kind: string) => boolean): number =>
  rows
    .filter(({ kind }) => wanted(kind))
    .flatMap(({ counts }) => Object.values(counts))
    .reduce((sum, n) => sum + n, 0);

const countsOf = (rows: readonly Summed[]): ActivityCounts => ({
  accepted: sumOf(rows, (kind) => kind === 'accepted'),
  applied: byBucket(rows, 'applied'),
  ingest: byBucket(rows, 'ingest'),
  failed: sumOf(rows, (kind) => kind.startsWith('failed.')),
});

/** Rates and latencies of the last two whole minutes and of the one that runs. */
export const readRates = async (db: Reader, now: number): Promise<PipeRates> => {
  const minute = Math.floor(now / minuteMs);
  const rows = await summed(db, minute - 2, minute + 1, 3);
  return ratesOf(countsOf(rows), (now - (minute - 2) * minuteMs) / 1000);
};

/** Rates and latencies of the last 24 hours in steps of ten minutes, the oldest first; the last step is the one that runs. */
export const readDay = async (db: Reader, now: number): Promise<PipeStep[]> => {
  const last = Math.floor(now / minuteMs / stepMinutes) * stepMinutes;
  const from = last - (stepsOfADay - 1) * stepMinutes;
  const rows = Map.groupBy(await summed(db, from, last + stepMinutes, stepMinutes), ({ step }) => step);
  return Array.from({ length: stepsOfADay }, (_, step) => {
    const at = (from + step * stepMinutes) * minuteMs;
    const seconds = Math.max(1, Math.min(stepMinutes * 60, (now - at) / 1000));
    return { at, ...ratesOf(countsOf(rows.get(step) ?? []), seconds) };
  });
};

/** Failed tries by class, of the last ten minutes and of the day before them. */
export const readFailedTries = async ({ sql }: Reader, now: number): Promise<FailedTries[]> => {
  const minute = Math.floor(now / minuteMs);
  const recentFrom = minute - spikeMinutes + 1;
  const rows = await sql<{ kind: string; recent: number; before: number }[]>`
    select kind, coalesce(sum(n) filter (where minute >= ${recentFrom}), 0)::float8 as recent,
      coalesce(sum(n) filter (where minute < ${recentFrom}), 0)::float8 as before
    from pipe_activity
    where minute >= ${recentFrom - 24 * 60} and minute <= ${minute} and kind like 'failed.%'
    group by kind`;
  return errorClasses.map((errorClass) => {
    const row = rows.find(({ kind }) => kind === `failed.${errorClass}`);
    return { errorClass, recent: row?.recent ?? 0, before: row?.before ?? 0 };
  });
};
