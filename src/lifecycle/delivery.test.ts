import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { afterTry, type Delivery, maxDeliveryTries, parseRetryAfter } from './delivery.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const now = Date.UTC(2026, 10, 1);
const failed = (retryAfterMs: number | null = null): Delivery => ({
  kind: 'retry',
  status: 503,
  snippet: null,
  error: 'the receiver answered 503',
  retryAfterMs,
});
const waitAfter = (tries: number, delivery: Delivery, random = 0.5): number | null => {
  const { nextAttemptAt } = afterTry(tries, delivery, now, random);
  return nextAttemptAt === null ? null : nextAttemptAt - now;
};

describe('afterTry', () => {
  it('ends with what was sent', () => {
    const sent: Delivery = { kind: 'sent', status: 200, snippet: 'ok' };
    expect(afterTry(1, sent, now, 0.5)).toEqual({ status: 'sent', nextAttemptAt: null });
    expect(afterTry(maxDeliveryTries, sent, now, 0.5)).toEqual({ status: 'sent', nextAttemptAt: null });
  });

  it('gives up at once what is refused', () => {
    const refused: Delivery = { kind: 'refused', status: 404, snippet: null, error: 'the receiver answered 404' };
    expect(afterTry(1, refused, now, 0.5)).toEqual({ status: 'dead', nextAttemptAt: null });
  });

  it.each([
    [1, 2],
    [2, 4],
    [3, 8],
    [4, 16],
  ])('waits after try %i for %i minutes', (tries, minutes) => {
    expect(afterTry(tries, failed(), now, 0.5)).toEqual({ status: 'failed', nextAttemptAt: now + minutes * minute });
    expect(waitAfter(tries, failed(), 0)).toBe(minutes * minute * 0.9);
    expect(waitAfter(tries, failed(), 1)).toBe(minutes * minute * 1.1);
  });

  it('gives up after the fifth try, whatever the receiver asks for', () => {
    expect(afterTry(5, failed(), now, 0.5)).toEqual({ status: 'dead', nextAttemptAt: null });
    expect(afterTry(5, failed(1000), now, 0.5)).toEqual({ status: 'dead', nextAttemptAt: null });
    expect(afterTry(6, failed(), now, 0.5).status).toBe('dead');
  });

  it.each([
    ['a longer wait than its own', 1, 10 * minute, 10 * minute],
    ['a day', 1, day, day],
    ['no more than a day', 1, 3 * day, day],
    ['a shorter wait, at first', 1, 5000, 5000],
    ['a shorter wait, at the second try', 2, 5000, 5000],
    ['no shorter wait later', 3, 5000, 7.2 * minute],
    ['nothing under a second', 1, 0, 1000],
  ])('keeps to Retry-After: %s', (_, tries, asked, waited) => {
    expect(waitAfter(tries, failed(asked), 0)).toBe(waited);
  });

  it('waits for at least a second and at most a day, and never less than asked within the day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (tries, asked, random) => {
          const wait = waitAfter(tries, failed(asked), random) ?? -1;
          expect(wait).toBeGreaterThanOrEqual(Math.min(asked ?? 1000, day));
          expect(wait).toBeGreaterThanOrEqual(1000);
          expect(wait).toBeLessThanOrEqual(day);
          expect(Number.isInteger(wait)).toBe(true);
        },
      ),
      cases(),
    );
  });
});

describe('parseRetryAfter', () => {
  it.each([
    [null, null],
    ['120', 120_000],
    [' 3 ', 3000],
    ['0', 0],
    ['Sun, 01 Nov 2026 00:01:00 GMT', minute],
    ['Sunday, 01-Nov-26 00:01:00 GMT', minute],
    ['Sat, 31 Oct 2026 00:00:00 GMT', 0],
    ['-5', null],
    ['1.5', null],
    ['soon', null],
    ['', null],
    ['99999999999999', null],
  ])('%j is %j ms', (header, ms) => {
    expect(parseRetryAfter(header, now)).toBe(ms);
  });
});
