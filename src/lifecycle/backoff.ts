import type { FailurePolicy } from './types.ts';

const policies: Record<FailurePolicy, { cap: number; base: (failures: number) => number }> = {
  standard: { cap: 21_600, base: () => 60 },
  strict: { cap: 43_200, base: () => 300 },
  hold: { cap: 86_400, base: (failures) => (failures < 3 ? 600 : 1800) },
};

/**
 * Seconds a domain waits after its n-th failure in a row (contract 2): base · 2^e up to the policy's cap,
 * e = min(max(n, 1), 10) − 1. No failure, no wait.
 */
export const domainBackoffSeconds = (policy: FailurePolicy, failures: number): number => {
  if (failures <= 0) return 0;
  const { cap, base } = policies[policy];
  return Math.min(cap, base(failures) * 2 ** (Math.min(failures, 10) - 1));
};

/** Seconds before the next try of an event after its k-th failed try, k ≥ 1 (contract 2): 45, 90, 180, 360, 720 … ≤ 3600. */
export const eventRetrySeconds = (failedTries: number, baseSeconds: number): number =>
  Math.min(3600, baseSeconds * 2 ** Math.min(Math.max(failedTries, 1) - 1, 8));
