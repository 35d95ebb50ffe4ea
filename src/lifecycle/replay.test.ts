import { array, assert, integer, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { allowanceOf, mostWaiting, progressOf, reasonToPause, type ReplayCounts, steppedTo } from './replay.ts';

const none: ReplayCounts = { applied: 0, failed_again: 0, retrying: 0, seen_applied: 0, seen_failed: 0 };

describe('the rate', () => {
  it.each([
    { rate: 50, sinceMs: 0, events: 0 },
    { rate: 50, sinceMs: 19, events: 0 },
    { rate: 50, sinceMs: 20, events: 1 },
    { rate: 50, sinceMs: 1000, events: 50 },
    { rate: 50, sinceMs: 60_000, events: 100 },
    { rate: 1, sinceMs: 999, events: 0 },
    { rate: 1, sinceMs: 1000, events: 1 },
    { rate: 1000, sinceMs: -5000, events: 0 },
  ])('of $rate a second allows $events after $sinceMs ms', ({ rate, sinceMs, events }) => {
    expect(allowanceOf(rate, 1_000_000, 1_000_000 + sinceMs).events).toBe(events);
  });

  it('is never exceeded, however often and by however many it is asked', () => {
    assert(
      property(
        integer({ min: 1, max: 1000 }),
        array(integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 50 }),
        (rate, waits) => {
          let [now, steppedAt, opened] = [1_000_000, 1_000_000, 0];
          for (const wait of waits) {
            now += wait;
            const allowance = allowanceOf(rate, steppedAt, now);
            opened += allowance.events;
            if (allowance.events > 0) steppedAt = steppedTo(allowance, allowance.events, rate);
          }
          expect(opened).toBeLessThanOrEqual((rate * (now - 1_000_000)) / 1000);
        },
      ),
      cases(),
    );
  });

  it('loses nothing to being asked in small pieces', () => {
    let [steppedAt, opened] = [0, 0];
    for (let now = 100; now <= 10_000; now += 100) {
      const allowance = allowanceOf(40, steppedAt, now);
      opened += allowance.events;
      if (allowance.events > 0) steppedAt = steppedTo(allowance, allowance.events, 40);
    }
    expect(opened).toBe(400);
  });
});

describe('a replay pauses by itself', () => {
  it.each([
    { counts: { failed_again: 19 }, because: null },
    { counts: { failed_again: 20 }, because: '20 of 20 events failed again' },
    { counts: { applied: 19, failed_again: 1 }, because: null },
    { counts: { applied: 18, retrying: 2 }, because: '2 of 20 events failed again' },
    { counts: { applied: 95, failed_again: 5 }, because: null },
    { counts: { applied: 94, failed_again: 3, retrying: 3 }, because: '6 of 100 events failed again' },
    { counts: { applied: 94, failed_again: 6, seen_applied: 94, seen_failed: 6 }, because: null },
    {
      counts: { applied: 94, failed_again: 26, seen_applied: 94, seen_failed: 6 },
      because: '20 of 20 events failed again',
    },
    // Those that were tried again went well meanwhile.
    { counts: { applied: 120, seen_applied: 94, seen_failed: 6 }, because: null },
  ])('with $counts: $because', ({ counts, because }) => {
    expect(reasonToPause({ ...none, ...counts })).toBe(because);
  });
});

describe('a replay', () => {
  it('opens twenty and looks what becomes of them, then as many as can be taken soon', () => {
    expect(mostWaiting(none, 1000)).toBe(20);
    expect(mostWaiting({ ...none, applied: 20 }, 10)).toBe(1000);
    expect(mostWaiting({ ...none, applied: 20 }, 1000)).toBe(5000);
    expect(mostWaiting({ ...none, applied: 30, seen_applied: 30 }, 1000)).toBe(20);
  });

  it('has numbers that add up', () => {
    const standing = {
      state: 'running',
      total: 100,
      looked: 60,
      applied: 40,
      failed_again: 3,
      retrying: 2,
      skipped: 5,
    };
    const progress = progressOf({ ...standing, rate_per_second: 30 });
    expect(progress).toEqual({ failed_again: 5, waiting: 10, left: 40, eta_seconds: 2 });
    expect(progressOf({ ...standing, state: 'paused', rate_per_second: 30 }).eta_seconds).toBeNull();
  });
});
