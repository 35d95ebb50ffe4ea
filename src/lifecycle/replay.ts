import type { ErrorClass, EventType } from './types.ts';

/** What an event came to in a bulk replay; `overtaken`: somebody else replayed it before it had come to anything. */
export const replayResults = ['applied', 'failed', 'overtaken'] as const;
export type ReplayResult = (typeof replayResults)[number];

/** Which events are replayed; times are epoch ms of receipt, `until` exclusive. Without `ids` all that the rest lets through. */
export interface ReplayFilter {
  readonly status: 'failed' | 'applied';
  readonly ids?: readonly string[] | undefined;
  readonly source?: string | undefined;
  readonly clusterId?: string | undefined;
  readonly orgId?: string | undefined;
  /** A host name, or `*.` and what names end in. */
  readonly domain?: string | undefined;
  readonly eventType?: EventType | undefined;
  readonly errorClass?: ErrorClass | undefined;
  /** The group of dead letters. */
  readonly fingerprint?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** What a plan says beside its number; times are epoch ms of the events' ends. */
export interface PlanFacts {
  readonly domains: number;
  /** Pairs of source and cluster. */
  readonly sources: number;
  /** Events that were replayed before. */
  readonly replayedBefore: number;
  /** The oldest. */
  readonly sample: readonly { readonly id: string; readonly domain: string }[];
  /** The largest groups of dead letters; none of applied events. */
  readonly groups: readonly {
    readonly fingerprint: string;
    readonly errorClass: ErrorClass;
    readonly pattern: string;
    readonly events: number;
  }[];
  readonly firstEndedAt: number | null;
  readonly lastEndedAt: number | null;
}

/** How long a plan can be executed, in milliseconds. */
export const planLifeMs = 15 * 60_000;
export const defaultRate = 50;
export const highestRate = 1000;

// What was missed while nobody was there is not made up for at once.
const mostBehindMs = 2000;

/** What the rate allows now: up to `events`, counted from `from` (epoch ms). */
export interface Allowance {
  readonly events: number;
  readonly from: number;
}

/**
 * What the rate allows since the last step. Whoever asks, and however often, gets no more in all than the rate and, after a
 * pause, two seconds' worth.
 *
 * @param steppedAt up to when the rate is used up, as {@link steppedTo} says; epoch ms
 */
export const allowanceOf = (ratePerSecond: number, steppedAt: number, now: number): Allowance => {
  const from = Math.max(steppedAt, now - Math.max(mostBehindMs, 1000 / ratePerSecond));
  return { from, events: Math.max(0, Math.floor(((now - from) * ratePerSecond) / 1000)) };
};

/** Up to when opening so many events uses up the rate; epoch ms. */
export const steppedTo = ({ from }: Allowance, opened: number, ratePerSecond: number): number =>
  Math.ceil(from + (opened * 1000) / ratePerSecond);

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
const leastAhead = 1000;
const secondsAhead = 5;

const failedSince = (counts: ReplayCounts): number =>
  Math.max(0, counts.failed_again + counts.retrying - counts.seen_failed);

const settledSince = (counts: ReplayCounts): number =>
  failedSince(counts) + Math.max(0, counts.applied - counts.seen_applied);

/** Why a replay is to stand still: more than 5 % failed again of those that came to anything, 20 at least. Null: it may go on. */
export const reasonToPause = (counts: ReplayCounts): string | null => {
  const [failed, settled] = [failedSince(counts), settledSince(counts)];
  if (settled < leastSettled || failed <= settled * mostFailedShare) return null;
  return `${failed} of ${settled} events failed again`;
};

/**
 * How many opened events may wait to be tried: twenty until as many came to something, so that what is hopeless is seen
 * before thousands are opened; then no more than workers can be expected to take soon.
 */
export const mostWaiting = (counts: ReplayCounts, ratePerSecond: number): number =>
  settledSince(counts) < leastSettled ? leastSettled : Math.max(leastAhead, secondsAhead * ratePerSecond);

/** Seconds until the rest is opened at this rate; rounded up. */
export const secondsLeft = (left: number, ratePerSecond: number): number => Math.ceil(left / ratePerSecond);

/** Where a replay stands. */
export interface Standing extends Pick<ReplayCounts, 'applied' | 'failed_again' | 'retrying'> {
  readonly state: string;
  readonly total: number;
  readonly looked: number;
  readonly skipped: number;
  readonly rate_per_second: number;
}

/** A replay's progress in numbers that add up: total = applied + failed_again + skipped + waiting + left. */
export interface Progress {
  /** Failed for good, or at least once and will be tried again. */
  readonly failed_again: number;
  /** Opened, and not tried to the end yet. */
  readonly waiting: number;
  /** Not come to yet. */
  readonly left: number;
  /** Seconds until the last one is opened; null while it stands still. */
  readonly eta_seconds: number | null;
}

export const progressOf = (standing: Standing): Progress => {
  const { state, total, looked, applied, retrying, skipped, rate_per_second: rate } = standing;
  const failed = standing.failed_again + retrying;
  const left = total - looked;
  return {
    failed_again: failed,
    waiting: Math.max(0, looked - applied - failed - skipped),
    left,
    eta_seconds: state === 'running' ? secondsLeft(left, rate) : null,
  };
};
