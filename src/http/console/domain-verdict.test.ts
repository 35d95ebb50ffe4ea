import { describe, expect, it } from 'vitest';
import type { DomainRow } from '../../db/domain-row.ts';
import { standingOf, stoodInOrder, tallyOf, type AddressRow } from './domain-truth.ts';
import { type AddressTally, verdictOfDomain } from './domain-verdict.ts';

const now = Date.parse('2026-11-21T03:12:00Z');
const hour = 3_600_000;
const at = (hours: number): Date => new Date(now + hours * hour);
const none: AddressTally = { all: 0, other: [], old: true };

// What the verdict does not look at is left out.
const row = (values: Partial<DomainRow> = {}): DomainRow =>
  ({
    verified: true,
    tls_mode: 'termination',
    tls_status: 'issued',
    tls_fault: null,
    tls_last_error: null,
    tls_not_after: at(2000),
    renewal_due_at: at(1000),
    cert_failure_count: 0,
    cert_failure_policy: 'standard',
    cert_last_error: null,
    cert_last_event_type: 'renewal_succeeded',
    cert_last_failure_at: null,
    cert_next_retry_at: null,
    certificate_filled: false,
    certificate_ref: 'sha256:NEW',
    drift_state: 'in_step',
    drift_since: null,
    observed_not_after: null,
    ...values,
  }) as DomainRow;

const drifted = { drift_state: 'addresses_differ', drift_since: at(-4), observed_not_after: at(139) } as const;
const failed = {
  tls_status: 'tls_error',
  cert_last_event_type: 'renewal_failed',
  cert_failure_count: 2,
  cert_last_failure_at: at(-1),
  cert_next_retry_at: at(0.1),
} as const;

describe('the sentence for a domain', () => {
  it.each([
    ['nothing where all is well', row(), none, null, ''],
    [
      'late renewal',
      row({ renewal_due_at: at(-1), tls_not_after: at(9) }),
      none,
      'Past the time to renew',
      'Its certificate ends in 9 h.',
    ],
    [
      'late renewal before its failures',
      row({ ...failed, renewal_due_at: at(-1), tls_not_after: at(-2) }),
      none,
      'Past the time to renew, and 2 tries failed',
      'ended 2 h ago',
    ],
    [
      'a fault on the wire',
      row({ tls_status: 'tls_error', tls_fault: 'wrong_host' }),
      none,
      'Clients cannot use what is served: wrong host',
      'then probe',
    ],
    [
      'failures',
      row(failed),
      none,
      'Renewal failed 2 times in a row',
      'The next try is due in 6 min, policy standard.',
    ],
    ['an end', row({ tls_status: 'tls_error', tls_not_after: at(-1) }), none, 'The certificate has ended', ''],
    [
      'one old address',
      row(drifted),
      { all: 3, other: ['192.0.2.1'], old: true },
      'Renewed, but 192.0.2.1 serves the old certificate',
      'Clients there break in 5 d 19 h. Reload',
    ],
    [
      'some other addresses',
      row(drifted),
      { all: 5, other: ['a', 'b'], old: false },
      'Renewed, but 2 of 5 addresses serve another certificate',
      'Reload',
    ],
    [
      'addresses that only differ',
      row(drifted),
      { all: 2, other: [], old: true },
      'Not all addresses serve the same certificate',
      '',
    ],
    [
      'the old certificate everywhere',
      row({ ...drifted, drift_state: 'stale_served' }),
      { all: 1, other: ['a'], old: true },
      'Renewed, but the old certificate is still served',
      'then probe',
    ],
    [
      'a stranger',
      row({ ...drifted, drift_state: 'unknown_served' }),
      none,
      'A certificate is served that no event told of',
      'Find out who deployed it',
    ],
    [
      'no route',
      row({ tls_status: 'pending_route', renewal_due_at: null }),
      none,
      'No route leads to it yet',
      'region',
    ],
    [
      'no certificate',
      row({ tls_status: 'pending_issue', renewal_due_at: null }),
      none,
      'It waits for its first certificate',
      '',
    ],
    [
      'passthrough',
      row({ tls_status: 'passthrough_unverified', tls_mode: 'passthrough', renewal_due_at: at(-1) }),
      none,
      'TLS ends at its own server',
      '',
    ],
    ['unverified ones are not late', row({ verified: false, renewal_due_at: at(-1) }), none, null, ''],
  ] as const)('%s', (_, domain, addresses, title, then) => {
    const verdict = verdictOfDomain(domain, addresses, now);
    expect(verdict?.title ?? null).toBe(title);
    expect(verdict?.advice.join(' ') ?? '').toContain(then);
  });
});

describe('an address beside what events said', () => {
  const new64 = `sha256:${'A'.repeat(64)}`;
  const old64 = `sha256:${'B'.repeat(64)}`;
  const address = (values: Partial<AddressRow>): AddressRow => ({
    address: 'a',
    verdict: 'ok',
    certificate_ref: new64,
    tls_not_after: at(2000),
    error: null,
    depth: 'full',
    checked_at: at(0),
    details: null,
    ...values,
  });
  const domain = row({ certificate_ref: new64 });

  it.each([
    ['the same', address({}), 'same'],
    ['an older one', address({ certificate_ref: old64, tls_not_after: at(10) }), 'old'],
    ['a younger one', address({ certificate_ref: old64, tls_not_after: at(3000) }), 'other'],
    ['nothing usable', address({ verdict: 'connect_timeout', certificate_ref: null }), 'fault'],
  ] as const)('serves %s', (_, one, standing) => expect(standingOf(domain, one)).toBe(standing));

  it('is not judged where events said nothing', () => {
    expect(standingOf(row({ certificate_ref: null, tls_not_after: null }), address({}))).toBe('unknown');
    expect(standingOf(row({ certificate_filled: true }), address({}))).toBe('unknown');
  });

  it('comes first where it is worse, and is counted', () => {
    const stood = stoodInOrder(domain, [
      address({ address: 'good' }),
      address({ address: 'old', certificate_ref: old64, tls_not_after: at(10) }),
      address({ address: 'gone', verdict: 'unreachable', certificate_ref: null }),
    ]);
    expect(stood.map((one) => one.address.address)).toEqual(['gone', 'old', 'good']);
    expect(tallyOf(stood)).toEqual({ all: 3, other: ['old'], old: true });
  });
});
