import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';

// Beyond these, addresses are forgotten here and found again at their next failure; the counts themselves stay.
const mostSuspects = 100_000;

const retryAfter = (limited: RateLimiterRes): number => Math.max(1, Math.ceil(limited.msBeforeNext / 1000));

export interface IngestLimits {
  /** Whether any authentication from this address has failed lately; an honest sender is never looked up further. */
  readonly suspects: (address: string) => boolean;
  /** Whether sources have a rate limit at all. */
  readonly perSource: boolean;
  /** Throws `rate_limited` when too many authentications from this address have failed. */
  readonly assertAddress: (address: string) => Promise<void>;
  /** Counts a failed authentication. */
  readonly failed: (address: string) => Promise<void>;
  /** Counts an event of a source; throws `rate_limited` over its rate. */
  readonly assertSource: (source: string) => Promise<void>;
}

/** The limits of one process: failures per address, and a rate per source where one is configured (contract 1). */
export const ingestLimits = (config: Config): IngestLimits => {
  const most = config.CERT_INGEST_FAILURES_PER_MINUTE;
  const failures = new RateLimiterMemory({ points: most, duration: 60 });
  const perSource = config.CERT_SOURCE_RATE_PER_SECOND;
  const sources = perSource === undefined ? null : new RateLimiterMemory({ points: perSource, duration: 1 });
  const suspects = new Set<string>();
  return {
    suspects: (address) => suspects.has(address),
    perSource: perSource !== undefined,
    assertAddress: async (address) => {
      const seen = await failures.get(address);
      if (seen === null) suspects.delete(address);
      if (seen === null || seen.consumedPoints < most) return;
      throw new AppError('rate_limited', 'Too many failed authentications from this address', {
        retryAfterSeconds: retryAfter(seen),
      });
    },
    failed: async (address) => {
      if (suspects.size >= mostSuspects) suspects.clear();
      suspects.add(address);
      await failures.penalty(address);
    },
    assertSource: async (source) => {
      try {
        await sources?.consume(source);
      } catch (limited) {
        if (!(limited instanceof RateLimiterRes)) throw limited;
        throw new AppError('rate_limited', 'This source is over its rate limit', {
          retryAfterSeconds: retryAfter(limited),
        });
      }
    },
  };
};
