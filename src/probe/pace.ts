import { setTimeout as sleep } from 'node:timers/promises';

const burst = 20;
const sweepAt = 10_000;

/** Spreads new connections to an address over time. */
export interface Pace {
  /** Waits until one more connection is polite; rejects when the signal aborts first. */
  readonly turn: (address: string, signal: AbortSignal) => Promise<void>;
  /** Counts a connection that does not wait: later ones wait for it. */
  readonly count: (address: string) => void;
}

/**
 * How long a connection has to wait: a token bucket kept as the time at which it is full again (GCRA).
 *
 * @returns the wait, in ms, and the time to keep.
 */
export const nextTurn = (
  fullAt: number,
  now: number,
  perSecond: number,
): { readonly waitMs: number; readonly fullAt: number } => {
  const interval = 1000 / perSecond;
  const from = Math.max(fullAt, now);
  return { waitMs: Math.max(0, from - now - (burst - 1) * interval), fullAt: from + interval };
};

/** A bucket per address: bursts of twenty, then `perSecond` new connections; addresses that are `exempt` never wait. */
export const createPace = (perSecond: number, exempt: (address: string) => boolean, elapsed: () => number): Pace => {
  const buckets = new Map<string, number>();
  const forgetFull = (at: number): void => {
    for (const [address, fullAt] of buckets) if (fullAt <= at) buckets.delete(address);
  };
  const take = (address: string): number => {
    if (exempt(address)) return 0;
    const at = elapsed();
    if (buckets.size >= sweepAt) forgetFull(at);
    const { waitMs, fullAt } = nextTurn(buckets.get(address) ?? 0, at, perSecond);
    buckets.set(address, fullAt);
    return waitMs;
  };
  return {
    turn: async (address, signal) => {
      const waitMs = take(address);
      if (waitMs > 0) await sleep(waitMs, undefined, { signal });
    },
    count: take,
  };
};
