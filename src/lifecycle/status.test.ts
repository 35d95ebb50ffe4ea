import { describe, expect, it } from 'vitest';
import { statusOf, type StatusFacts, warningWindowMs } from './status.ts';
import { eventTypes } from './types.ts';
import type { TlsStatus } from './types.ts';

const day = 86_400_000;
const now = Date.UTC(2026, 0, 1);
const facts: StatusFacts = {
  tlsMode: 'termination',
  routed: true,
  lastEventType: null,
  notBefore: null,
  notAfter: null,
};

describe('statusOf', () => {
  const byEvent: [StatusFacts['lastEventType'], TlsStatus][] = [
    [null, 'pending_issue'],
    ['issuance_succeeded', 'issued'],
    ['renewal_succeeded', 'issued'],
    ['issuance_failed', 'tls_error'],
    ['renewal_failed', 'tls_error'],
    ['certificate_expiring', 'expiring'],
  ];

  it.each(byEvent)('after %s a routed domain in termination mode is %s', (lastEventType, status) => {
    expect(statusOf({ ...facts, lastEventType, notAfter: now + 200 * day }, now, 30)).toBe(status);
  });

  it.each([null, ...eventTypes])(
    'after %s an unrouted domain waits for its route, a passthrough one is unverified',
    (lastEventType) => {
      for (const notAfter of [null, now - day, now + 200 * day]) {
        const one = { ...facts, lastEventType, notAfter };
        expect(statusOf({ ...one, routed: false }, now, 30)).toBe('pending_route');
        expect(statusOf({ ...one, tlsMode: 'passthrough' }, now, 30)).toBe('passthrough_unverified');
        expect(statusOf({ ...one, tlsMode: 'passthrough', routed: false }, now, 30)).toBe('passthrough_unverified');
      }
    },
  );

  it.each([
    ['one ms more than 30 days left', 30 * day + 1, 'issued'],
    ['exactly 30 days left', 30 * day, 'expiring'],
    ['one ms less than 30 days left', 30 * day - 1, 'expiring'],
    ['one ms left', 1, 'expiring'],
  ])('%s, lifetime not known: by CERT_EXPIRY_WARN_DAYS', (_, left, status) => {
    expect(statusOf({ ...facts, lastEventType: 'renewal_succeeded', notAfter: now + left }, now, 30)).toBe(status);
  });

  it('takes the warning days that it is given', () => {
    const one: StatusFacts = { ...facts, lastEventType: 'renewal_succeeded', notAfter: now + 10 * day };
    expect([9, 10, 11].map((warnDays) => statusOf(one, now, warnDays))).toEqual(['issued', 'expiring', 'expiring']);
  });

  it('calls a success without notAfter issued', () => {
    expect(statusOf({ ...facts, lastEventType: 'issuance_succeeded' }, now, 30)).toBe('issued');
  });

  it.each([
    [6, 2 * day + 1, 'issued'],
    [6, 2 * day, 'expiring'],
    [47, (47 / 3) * day + 1, 'issued'],
    [47, (47 / 3) * day - 1, 'expiring'],
    [365, 30 * day, 'expiring'],
    [365, 30 * day + 1, 'issued'],
  ])('a certificate of %i days with %f ms left is %s', (days, left, status) => {
    const notAfter = now + left;
    expect(
      statusOf({ ...facts, lastEventType: 'issuance_succeeded', notAfter, notBefore: notAfter - days * day }, now, 30),
    ).toBe(status);
  });
});

describe('warningWindowMs', () => {
  it.each([
    ['a lifetime that is not known', null, 30 * day],
    ['exactly 90 days', 90 * day, 30 * day],
    ['90 days less 3 ms', 90 * day - 3, 30 * day - 1],
    ['60 days', 60 * day, 20 * day],
    ['no lifetime', 0, 0],
    ['an end before its beginning', -day, 0],
  ])('%s', (_, lifetime, window) => {
    expect(warningWindowMs(lifetime === null ? null : now - lifetime, now, 30)).toBe(window);
  });

  it('uses the days that are given only from 90 days of lifetime on', () => {
    expect(warningWindowMs(now - 90 * day, now, 7)).toBe(7 * day);
    expect(warningWindowMs(now - 89 * day, now, 7)).toBe((89 / 3) * day);
  });
});
