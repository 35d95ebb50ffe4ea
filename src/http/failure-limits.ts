import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { AppError } from '../errors.ts';

// Beyond these, addresses are forgotten here and found again at their next failure; the counts themselves stay.
const mostSuspects = 100_000;

/** Whole seconds until a limited caller may come again. */
export const retryAfter = (limited: RateLimiterRes): number => Math.max(1, Math.ceil(limited.msBeforeNext / 1000));

/** Counts failed authentications by address, within one process; what succeeds costs nothing. */
export interface FailureLimits {
  /** Whether any authentication from this address has failed lately; an honest sender is never looked up further. */
  readonly suspects: (address: string) => boolean;
  /** Throws `rate_limited` when too many authentications from this address have failed. */
  readonly assertAddress: (address: string) => Promise<void>;
  /** Counts a failed authentication. */
  readonly failed: (address: string) => Promise<void>;
}

/** Limits for `most` failures a minute from one address. */
export const failureLimits = (most: number): FailureLimits => {
  const failures = new RateLimiterMemory({ points: most, duration: 60 });
  const suspects = new Set<string>();
  return {
    suspects: (address) => suspects.has(address),
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
  };
};
