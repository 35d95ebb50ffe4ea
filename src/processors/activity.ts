import type { Ctx } from '../context.ts';
import { type ActivityDelta, addActivity } from '../db/pipe-activity.ts';
import { messageOf } from '../errors.ts';
import type { Metrics } from '../metrics.ts';

const everyMs = 10_000;

interface Bucketed {
  readonly metricName?: string | undefined;
  readonly value: number;
}

/** Counts of each class of a histogram; it gives them as sums up to each bound. */
const classesOf = (kind: string, values: readonly Bucketed[]): ActivityDelta[] => {
  const sums = values.flatMap(({ metricName, value }) => (metricName?.endsWith('_bucket') === true ? [value] : []));
  return sums.map((sum, bucket) => ({ kind, bucket, n: sum - (sums[bucket - 1] ?? 0) }));
};

/** What this process has done since it began. */
const readCounts = async (metrics: Metrics): Promise<ActivityDelta[]> => {
  const [received, tries, ingest, applied] = await Promise.all([
    metrics.eventsReceived.get(),
    metrics.eventTries.get(),
    metrics.ingestDuration.get(),
    metrics.applyLatency.get(),
  ]);
  const accepted = received.values.reduce(
    (sum, { labels, value }) => (labels.result === 'accepted' ? sum + value : sum),
    0,
  );
  return [
    { kind: 'accepted', bucket: 0, n: accepted },
    ...tries.values.map(({ labels, value }) => ({ kind: `failed.${String(labels.error_class)}`, bucket: 0, n: value })),
    ...classesOf('ingest', ingest.values),
    ...classesOf('applied', applied.values),
  ];
};

const keyOf = ({ kind, bucket }: ActivityDelta): string => `${kind} ${bucket}`;

/**
 * Adds what this process does to what all of them did, minute by minute, every ten seconds and once more at the stop. It
 * reads the process's own instruments, so that the hot paths pay nothing. What could not be written is added the next time.
 */
export const recordActivity = (ctx: Pick<Ctx, 'db' | 'metrics' | 'log' | 'now'>): { stop: () => Promise<void> } => {
  let written = new Map<string, number>();
  let last = Promise.resolve();
  const flush = async (): Promise<void> => {
    try {
      const counts = await readCounts(ctx.metrics);
      const deltas = counts
        .map((count) => ({ ...count, n: count.n - (written.get(keyOf(count)) ?? 0) }))
        .filter(({ n }) => n > 0);
      await addActivity(ctx.db, deltas, ctx.now());
      written = new Map(counts.map((count) => [keyOf(count), count.n]));
    } catch (error) {
      ctx.log.warn({ why: messageOf(error) }, 'what the pipe did is not written down yet');
    }
  };
  const next = (): Promise<void> => (last = last.then(flush));
  const timer = setInterval(() => void next(), everyMs);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      return next();
    },
  };
};
