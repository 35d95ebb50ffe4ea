import { describe, expect, it } from 'vitest';
import { durationBounds, quantileOf, ratesOf } from './activity.ts';

/** Counts by class; all others are 0. */
const counts = (given: Readonly<Record<number, number>>): number[] =>
  Array.from({ length: durationBounds.length + 1 }, (_, index) => given[index] ?? 0);

describe('quantileOf', () => {
  it.each([
    ['nothing', {}, 0.5, null],
    ['all in the first class', { 0: 10 }, 0.5, 0.0005],
    ['all in one class, its end', { 3: 100 }, 1, 0.01],
    ['all in one class, its middle', { 3: 100 }, 0.5, 0.0075],
    ['one slow among a hundred', { 0: 99, 10: 1 }, 0.99, 0.001],
    ['one slow among a hundred, the last', { 0: 99, 10: 1 }, 1, 2.5],
    ['beyond all bounds', { 18: 5 }, 0.99, 7200],
    ['a share of nothing', { 4: 5 }, 0, 0.01],
  ])('%s', (_what, given, share, wanted) => {
    const found = quantileOf(counts(given), share);
    expect(found === null ? null : Math.round(found * 1e6) / 1e6).toBe(wanted);
  });
});

describe('ratesOf', () => {
  it('gives rates a second and latencies in seconds', () => {
    const rates = ratesOf({ accepted: 600, applied: counts({ 3: 300 }), ingest: counts({}), failed: 30 }, 60);
    expect(rates).toMatchObject({ acceptedPerSecond: 10, appliedPerSecond: 5, failedTriesPerSecond: 0.5 });
    expect(rates.applyP50).toBeCloseTo(0.0075, 6);
    expect(rates.ingestP99).toBeNull();
  });
});
