import { describe, expect, it } from 'vitest';
import type { KnownServed, Verdict } from '../lifecycle/served.ts';
import { carryOn, type Evidence, judge } from './judge.ts';

const now = Date.UTC(2026, 5, 15, 12);
const day = 24 * 3_600_000;

const evidence = (changes: Partial<Evidence> = {}): Evidence => ({
  certificate: { notBefore: now - day, notAfter: now + day, chainLength: 2 },
  code: null,
  lastIssuer: 'CN=Root',
  matchesName: true,
  name: 'a.test',
  ...changes,
});
const during = (notBefore: number, notAfter: number) => ({ certificate: { notBefore, notAfter, chainLength: 2 } });

describe('judge', () => {
  it.each<[string, Evidence, Verdict, string | null]>([
    ['nothing wrong', evidence(), 'ok', null],
    ['the last second', evidence(during(now - day, now)), 'ok', null],
    ['the first second', evidence(during(now, now + day)), 'ok', null],
    [
      'a second too late',
      evidence(during(now - day, now - 1000)),
      'expired',
      'the certificate expired at 2026-06-15 11:59 UTC',
    ],
    [
      'a second too early',
      evidence(during(now + 1000, now + day)),
      'not_yet_valid',
      'the certificate is not valid before 2026-06-15 12:00 UTC',
    ],
    ['no readable end', evidence(during(now, Number.NaN)), 'expired', 'the certificate expired at ? UTC'],
    [
      'an old CA',
      evidence({ code: 'CERT_HAS_EXPIRED' }),
      'expired',
      'a certificate of the chain above the leaf has expired',
    ],
    [
      'a young CA',
      evidence({ code: 'CERT_NOT_YET_VALID' }),
      'not_yet_valid',
      'a certificate of the chain above the leaf is not valid yet',
    ],
    ['another name', evidence({ matchesName: false }), 'wrong_host', 'the certificate is not for a.test'],
    [
      'a self-signed leaf',
      evidence({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
      'untrusted',
      'the certificate is self-signed',
    ],
    [
      'an unknown root',
      evidence({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
      'untrusted',
      'the chain ends in a root that is not trusted: CN=Root',
    ],
    [
      'a gap',
      evidence({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' }),
      'untrusted',
      'an intermediate certificate is missing, or the root is not trusted: CN=Root',
    ],
    [
      'a lone leaf',
      evidence({
        code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
        certificate: { notBefore: 0, notAfter: now, chainLength: 1 },
      }),
      'untrusted',
      'the server sends no intermediate certificate, and the issuer is not a trusted root: CN=Root',
    ],
    [
      'something else',
      evidence({ code: 'INVALID_PURPOSE' }),
      'untrusted',
      'the chain is not trusted (INVALID_PURPOSE)',
    ],
  ])('finds %s', (_, given, verdict, error) => expect(judge(given, now)).toEqual({ verdict, error }));

  it('names the gravest first and all the others', () => {
    const all = evidence({ ...during(0, now - day), code: 'DEPTH_ZERO_SELF_SIGNED_CERT', matchesName: false });
    expect(judge(all, now)).toEqual({
      verdict: 'expired',
      error:
        'the certificate expired at 2026-06-14 12:00 UTC; the certificate is self-signed; the certificate is not for a.test',
    });
    const two = evidence({ code: 'SELF_SIGNED_CERT_IN_CHAIN', matchesName: false });
    expect(judge(two, now).verdict).toBe('untrusted');
  });
});

describe('carryOn', () => {
  const known = (changes: Partial<KnownServed> = {}): KnownServed => ({
    certificateRef: 'sha256:A',
    verdict: 'ok',
    error: null,
    notBefore: now - 30 * day,
    notAfter: now + 30 * day,
    chainNotAfter: now + 20 * day,
    fullyCheckedAt: now - day,
    ...changes,
  });

  it('keeps a verdict that only a new leaf could change', () => {
    expect(carryOn(known(), now)).toEqual({ verdict: 'ok', error: null });
    const wrong = { verdict: 'wrong_host', error: 'the certificate is not for a.test' } as const;
    expect(carryOn(known(wrong), now)).toEqual(wrong);
    const expired = { verdict: 'expired', error: 'it expired' } as const;
    expect(carryOn(known({ ...expired, notAfter: now - day }), now)).toEqual(expired);
  });

  it('sees a leaf expire', () => {
    expect(carryOn(known({ notAfter: now - 1 }), now)).toMatchObject({ verdict: 'expired' });
    expect(carryOn(known({ notAfter: now }), now)).toMatchObject({ verdict: 'ok' });
  });

  it.each<[string, Partial<KnownServed>]>([
    ['after a week', { fullyCheckedAt: now - 7 * day }],
    ['where the chain was not trusted, for that can be mended below the same leaf', { verdict: 'untrusted' }],
    ['where time may have mended it', { verdict: 'not_yet_valid' }],
    ['where there was no handshake', { verdict: 'closed' }],
    ['where a CA had expired', { verdict: 'expired' }],
    ['where a CA has expired since', { chainNotAfter: now - 1 }],
  ])('asks for a full handshake %s', (_, changes) => expect(carryOn(known(changes), now)).toBeNull());

  it('does not mind an expired certificate beside a chain that was found good', () => {
    expect(carryOn(known({ chainNotAfter: now - 300 * day }), now)).toEqual({ verdict: 'ok', error: null });
  });
});
