import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { domainBackoffSeconds, eventRetrySeconds } from './backoff.ts';
import { failurePolicies } from './types.ts';

const timerLimitMs = 2 ** 31;

describe('domainBackoffSeconds', () => {
  const table = {
    standard: [0, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 21_600, 21_600],
    strict: [0, 300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 43_200, 43_200, 43_200],
    hold: [0, 600, 1200, 7200, 14_400, 28_800, 57_600, 86_400, 86_400, 86_400, 86_400, 86_400],
  };

  it.each(failurePolicies)('follows the table of %s', (policy) => {
    expect(table[policy].map((_, failures) => domainBackoffSeconds(policy, failures))).toEqual(table[policy]);
  });

  it('P6: never falls, never passes its cap, and fits a timer', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...failurePolicies),
        fc.integer({ min: -5, max: Number.MAX_SAFE_INTEGER }),
        (policy, failures) => {
          const wait = domainBackoffSeconds(policy, failures);
          expect(wait).toBeLessThanOrEqual(domainBackoffSeconds(policy, failures + 1));
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(domainBackoffSeconds(policy, 1000));
          expect(wait * 1000).toBeLessThan(timerLimitMs);
        },
      ),
      cases(),
    );
  });
});

describe('eventRetrySeconds', () => {
  it.each([
    [1, 45],
    [2, 90],
    [3, 180],
    [4, 360],
    [5, 720],
    [6, 1440],
    [7, 2880],
    [8, 3600],
    [9, 3600],
    [100, 3600],
  ])('waits after failed try %i for %i s', (tries, seconds) => {
    expect(eventRetrySeconds(tries, 45)).toBe(seconds);
  });

  it('doubles eight times and no more', () => {
    expect([8, 9, 10, 1000].map((tries) => eventRetrySeconds(tries, 1))).toEqual([128, 256, 256, 256]);
  });

  it('P6: never falls, never passes an hour, and fits a timer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 3600 }), (tries, base) => {
        const wait = eventRetrySeconds(tries, base);
        expect(wait).toBeGreaterThanOrEqual(base);
        expect(wait).toBeLessThanOrEqual(Math.min(3600, eventRetrySeconds(tries + 1, base)));
        expect(wait * 1000).toBeLessThan(timerLimitMs);
      }),
      cases(),
    );
  });
});
