/** Upper bounds in seconds of the classes of duration; one more class is for all beyond. Requests for ingest have the first 13. */
export const durationBounds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
] as const;
/** Bounds of {@link durationBounds} that a request for ingest is measured by. */
export const ingestBounds = durationBounds.slice(0, 13);

/** What the pipe did within a stretch of time: counts by class of duration, and failed tries. */
export interface ActivityCounts {
  readonly accepted: number;
  /** By class of duration: from commit to applied. */
  readonly applied: readonly number[];
  /** By class of duration: from request to answer. */
  readonly ingest: readonly number[];
  readonly failed: number;
}

/** Rates a second, and latencies in seconds; null where nothing was measured. */
export interface PipeRates {
  readonly acceptedPerSecond: number;
  readonly appliedPerSecond: number;
  readonly failedTriesPerSecond: number;
  readonly applyP50: number | null;
  readonly applyP99: number | null;
  readonly ingestP50: number | null;
  readonly ingestP99: number | null;
}

/** The rates of one step of a day. */
export interface PipeStep extends PipeRates {
  /** Epoch ms of its beginning. */
  readonly at: number;
}

/**
 * The duration below which `share` of what was counted lies, in seconds, read between the bounds of its class; the last bound
 * for what lies beyond all. Null when nothing was counted.
 */
export const quantileOf = (counts: readonly number[], share: number): number | null => {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  const wanted = total * share;
  let below = 0;
  for (const [index, n] of counts.entries()) {
    if (n > 0 && below + n >= wanted) {
      const lower = index === 0 ? 0 : (durationBounds[index - 1] ?? 0);
      const upper = durationBounds[index] ?? lower;
      return lower + (upper - lower) * Math.max(0, (wanted - below) / n);
    }
    below += n;
  }
  return durationBounds.at(-1) ?? null;
};

/** Rates of what was counted within this many seconds. */
export const ratesOf = ({ accepted, applied, ingest, failed }: ActivityCounts, seconds: number): PipeRates => ({
  acceptedPerSecond: accepted / seconds,
  appliedPerSecond: applied.reduce((sum, n) => sum + n, 0) / seconds,
  failedTriesPerSecond: failed / seconds,
  applyP50: quantileOf(applied, 0.5),
  applyP99: quantileOf(applied, 0.99),
  ingestP50: quantileOf(ingest, 0.5),
  ingestP99: quantileOf(ingest, 0.99),
});
