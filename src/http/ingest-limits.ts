import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { type FailureLimits, failureLimits, retryAfter } from './failure-limits.ts';

export interface IngestLimits extends FailureLimits {
  /** Whether sources have a rate limit at all. */
  readonly perSource: boolean;
  /** Counts an event of a source; throws `rate_limited` over its rate. */
  readonly assertSource: (source: string) => Promise<void>;
}

/** The limits of one process: failures per address, and a rate per source where one is configured (contract 1). */
export const ingestLimits = (config: Config): IngestLimits => {
  const perSource = config.CERT_SOURCE_RATE_PER_SECOND;
  const sources = perSource === undefined ? null : new RateLimiterMemory({ points: perSource, duration: 1 });
  return {
    ...failureLimits(config.CERT_INGEST_FAILURES_PER_MINUTE),
    perSource: perSource !== undefined,
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
