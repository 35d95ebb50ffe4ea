import { describe, expect, it } from 'vitest';
import { emptyState } from './fold.ts';
import { neverServed, type Served, statusOf as statusOfTruth, warningWindowMs } from './status.ts';
import { eventTypes } from './types.ts';
import type { EventType, TlsMode, TlsStatus } from './types.ts';

const day = 86_400_000;
const now = Date.UTC(2026, 0, 1);

interface StatusFacts {
  readonly tlsMode: TlsMode;
  readonly routed: boolean;
  readonly lastEventType: EventType | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  readonly certificateRef?: string;
  readonly expiryWarnPercent?: number;
  readonly served?: Partial<Served>;
}

const facts: StatusFacts = {
  tlsMode: 'termination',
  routed: true,
  lastEventType: null,
  notBefore: null,
  notAfter: null,
};

/** The last event, where there is one, was an hour ago. */
const statusOf = (one: StatusFacts, at: number, warnDays: number): TlsStatus => {
  const { tlsMode, routed, lastEventType, notBefore, notAfter, certificateRef = null, expiryWarnPercent = null } = one;
  const lastEventAt = lastEventType === null ? null : at - 3_600_000;
  return statusOfTruth(
    {
      settings: { tlsMode, routed, verified: true, failurePolicy: 'standard', expiryWarnPercent },
      state: { ...emptyState, lastEventType, lastEventAt, notBefore, notAfter, certificateRef },
      served: { ...neverServed, ...one.served },
    },
    at,
    warnDays,
  );
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
    expect(warningWindowMs({ notBefore: lifetime === null ? null : now - lifetime, notAfter: now }, 30)).toBe(window);
  });

  it('uses the days that are given only from 90 days of lifetime on', () => {
    expect(warningWindowMs({ notBefore: now - 90 * day, notAfter: now }, 7)).toBe(7 * day);
    expect(warningWindowMs({ notBefore: now - 89 * day, notAfter: now }, 7)).toBe((89 / 3) * day);
  });
});

describe('statusOf with what is served', () => {
  const ref = (digit: string): string => `sha256:${digit.repeat(64)}`;
  const issued: StatusFacts = {
    ...facts,
    lastEventType: 'issuance_succeeded',
    notAfter: now + 200 * day,
    certificateRef: ref('A'),
  };
  const good = { certificateRef: ref('A'), notBefore: now - day, notAfter: now + 200 * day, checkedAt: now - 60_000 };

  it.each<[string, StatusFacts, TlsStatus]>([
    ['a fault found since the event', { ...issued, served: { ...good, fault: 'untrusted' } }, 'tls_error'],
    [
      'a fault found before the event',
      { ...issued, served: { ...good, fault: 'untrusted', checkedAt: now - 2 * 3_600_000 } },
      'issued',
    ],
    ['a good look after a failure event', { ...issued, lastEventType: 'renewal_failed', served: good }, 'tls_error'],
    ['a good look where no event ever came', { ...facts, served: good }, 'issued'],
    [
      'a good look at a certificate about to end',
      { ...facts, served: { ...good, notBefore: now - 99 * day, notAfter: now + day } },
      'expiring',
    ],
    ['a fault where no event ever came', { ...facts, served: { fault: 'dns_failed', checkedAt: now } }, 'tls_error'],
    [
      'an old certificate served that is about to end',
      { ...issued, served: { ...good, certificateRef: ref('B'), notBefore: now - 99 * day, notAfter: now + day } },
      'expiring',
    ],
    [
      'an expiring event, and since then another certificate',
      {
        ...issued,
        lastEventType: 'certificate_expiring',
        notAfter: now + day,
        served: { ...good, certificateRef: ref('B') },
      },
      'issued',
    ],
    [
      'an expiring event, and the same certificate still served',
      { ...issued, lastEventType: 'certificate_expiring', served: good },
      'expiring',
    ],
    [
      'a fault in passthrough mode',
      { ...issued, tlsMode: 'passthrough', served: { fault: 'expired', checkedAt: now } },
      'passthrough_unverified',
    ],
    [
      'a fault without a route',
      { ...issued, routed: false, served: { fault: 'expired', checkedAt: now } },
      'pending_route',
    ],
  ])('%s', (_, one, status) => {
    expect(statusOf(one, now, 30)).toBe(status);
  });

  it('takes the lifetime from a look at the same certificate when no event told it', () => {
    const one: StatusFacts = {
      ...issued,
      notAfter: now + 15 * day,
      served: { ...good, notAfter: now + 15 * day, notBefore: now - 32 * day },
    };
    expect(statusOf({ ...one, served: {} }, now, 30)).toBe('expiring');
    expect(
      statusOf({ ...one, notAfter: now + 20 * day, served: { ...one.served, notAfter: now + 20 * day } }, now, 30),
    ).toBe('issued');
  });

  it('takes the percent of the lifetime that a domain sets', () => {
    const one: StatusFacts = { ...issued, notBefore: now - 80 * day, notAfter: now + 20 * day };
    expect(statusOf(one, now, 30)).toBe('expiring');
    expect(statusOf({ ...one, expiryWarnPercent: 10 }, now, 30)).toBe('issued');
    expect(statusOf({ ...one, expiryWarnPercent: 20 }, now, 30)).toBe('expiring');
  });
});
