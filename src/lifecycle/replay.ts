/** What an event came to in a bulk replay; `overtaken`: somebody else replayed it before it had come to anything. */
export const replayResults = ['applied', 'failed', 'overtaken'] as const;
export type ReplayResult = (typeof replayResults)[number];

/** How long a plan can be executed, in milliseconds. */
export const planLifeMs = 15 * 60_000;
export const defaultRate = 50;
export const highestRate = 1000;

// What was missed while nobody was there is not made up for at once.
const mostBehindMs = 2000;

/** How many events a replay may open now, and the time up to which that uses up its rate. Times are epoch ms. */
export interface Allowance {
  readonly events: number;
  readonly steppedAt: number;
}

/**
 * What the rate allows since the last step. Whoever asks, and however often, gets no more in all than the rate and, after a
 * pause, two seconds' worth.
 */
export const allowanceOf = (ratePerSecond: number, steppedAt: number, now: number): Allowance => {
  const from = Math.max(steppedAt, now - Math.max(mostBehindMs, 1000 / ratePerSecond));
  const events = Math.max(0, Math.floor(((now - from) * ratePerSecond) / 1000));
  return { events, steppedAt: events === 0 ? steppedAt : Math.ceil(from + (events * 1000) / ratePerSecond) };
};

/** Counts of a replay's opened events. `retrying`: failed at least once and will be tried again. */
export interface ReplayCounts {
  readonly applied: number;
  readonly failed_again: number;
  readonly retrying: number;
  /** What had been applied, and what had failed for good or once, when a person last let the replay go on. */
  readonly seen_applied: number;
  readonly seen_failed: number;
}

const leastSettled = 20;
const mostFailedShare = 0.05;

/** Why a replay is to stand still: more than 5 % failed again of those that came to anything, 20 at least. Null: it may go on. */
export const reasonToPause = (counts: ReplayCounts): string | null => {
  const failed = Math.max(0, counts.failed_again + counts.retrying - counts.seen_failed);
  const settled = failed + Math.max(0, counts.applied - counts.seen_applied);
  if (settled < leastSettled || failed <= settled * mostFailedShare) return null;
  return `${failed} of ${settled} events failed again`;
};

/** Seconds until the rest is opened at this rate; rounded up. */
export const secondsLeft = (left: number, ratePerSecond: number): number => Math.ceil(left / ratePerSecond);
