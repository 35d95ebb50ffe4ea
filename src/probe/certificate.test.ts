import { X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPki, makeCertificate, ocspResponse } from '../../test/support/certificates.ts';
import { cases } from '../../test/support/properties.ts';
import { clean, describeServed, referenceOf } from './certificate.ts';
import { childrenOf, readTlv } from './der.ts';
import { stapledState } from './ocsp.ts';

const describeOne = (identity: { readonly der: Buffer }) => {
  const certificate = new X509Certificate(identity.der);
  return describeServed([certificate], certificate, 'TLSv1.3', null);
};

describe('describeServed', () => {
  const pki = createPki();

  it('tells what the certificate says', () => {
    const notBefore = Date.UTC(2026, 0, 2, 3, 4, 5);
    const notAfter = Date.UTC(2055, 0, 2, 3, 4, 5);
    const leaf = pki.leaf({
      names: ['a.test', '*.b.test'],
      notBefore,
      notAfter,
      serial: Buffer.from('87654321', 'hex'),
    });
    expect(describeOne(leaf)).toEqual({
      ref: leaf.ref,
      serial: '87654321',
      subject: 'CN=a.test',
      issuer: 'CN=Test Intermediate',
      names: ['a.test', '*.b.test'],
      notBefore,
      notAfter,
      chainNotAfter: notAfter,
      chainLength: 1,
      ariId: `${pki.intermediate.keyId.toString('base64url')}.AIdlQyE`,
      tlsVersion: 'TLSv1.3',
      ocsp: null,
    });
    expect(referenceOf(leaf.der)).toBe(leaf.ref);
  });

  it('makes the ARI identity of the example in RFC 9773', () => {
    const keyId = Buffer.from('69885b6b87464041e1b37b847bd0ae2cde01c8d4', 'hex');
    const issuer = { ...pki.intermediate, keyId };
    const leaf = makeCertificate({ names: ['example.com'], issuer, serial: Buffer.from('87654321', 'hex') });
    expect(describeOne(leaf).ariId).toBe('aYhba4dGQEHhs3uEe9CuLN4ByNQ.AIdlQyE');
  });

  const withEnd = (digits: string) => {
    const der = Buffer.from(makeCertificate({ notAfter: Date.UTC(2040, 0, 2, 3, 4, 5) }).der);
    der.write(digits, der.indexOf('400102030405Z'), 'latin1');
    return describeOne({ der });
  };

  it.each(['999999999999Z', '500101000000Z'])('takes an end that no clock shows, %s, for long past', (digits) => {
    expect(withEnd(digits)).toMatchObject({ notAfter: 0, chainNotAfter: 0 });
  });

  it.each(['AB0102030405Z', '4001020304Z05'])('gives a time of the years 1970 to 9999 for an end of %s', (digits) => {
    const { notAfter } = withEnd(digits);
    expect(notAfter).toBeGreaterThanOrEqual(0);
    expect(notAfter).toBeLessThanOrEqual(Date.UTC(9999, 11, 31, 23, 59, 59));
  });

  it('cuts no character in half', () => {
    const { subject, issuer } = describeOne(makeCertificate({ commonName: '😀'.repeat(200) }));
    expect(subject.length).toBeGreaterThan(290);
    expect([subject.isWellFormed(), issuer.isWellFormed()]).toEqual([true, true]);
  });

  it('keeps no serial of thousands of digits', () => {
    const { serial, ariId } = describeOne(makeCertificate({ serial: Buffer.alloc(10_000, 0x11) }));
    expect(serial).toHaveLength(300);
    expect(ariId).toBeNull();
  });

  it('does without key identifiers and names', () => {
    expect(describeOne(makeCertificate({ commonName: 'x', withKeyIds: false }))).toMatchObject({
      names: [],
      ariId: null,
    });
  });

  it('keeps a hundred names, and text as one bounded line', () => {
    const names = Array.from({ length: 300 }, (_, index) => `n${index}.test`);
    expect(describeOne(makeCertificate({ names })).names).toEqual(names.slice(0, 100));
    const hostile = makeCertificate({ commonName: `a\u202Eb\u0007${'x'.repeat(500)}`, names: ['<b>.test'] });
    const { subject } = describeOne(hostile);
    expect(subject).toHaveLength(300);
    expect(subject).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('clean', () => {
  it('joins lines and leaves out what does not show', () => {
    expect(clean('CN=a\nO=b')).toBe('CN=a, O=b');
    expect(clean('a\u202Eb\u200Fc\u0000d\u2028e\r')).toBe('abcde');
  });
});

describe('stapledState', () => {
  const serial = Buffer.from('1234', 'hex');

  it.each<[string, Buffer, string | null]>([
    ['good', ocspResponse(serial, 'good'), 'good'],
    ['revoked', ocspResponse(serial, 'revoked'), 'revoked'],
    ['unknown', ocspResponse(serial, 'unknown'), 'unknown'],
    ['of another certificate', ocspResponse(Buffer.from('4321', 'hex'), 'good'), null],
    ['try later', ocspResponse(serial, 'good', 3), null],
    ['empty', Buffer.alloc(0), null],
  ])('reads a response that is %s', (_, bytes, state) => expect(stapledState(bytes, serial)).toBe(state));

  it('stands any bytes', () => {
    const whole = ocspResponse(serial, 'good');
    const broken = fc.tuple(
      fc.nat(whole.length),
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(broken, ([length, changes]) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes.writeUInt8(value, at);
        expect([null, 'good', 'revoked', 'unknown']).toContain(stapledState(bytes.subarray(0, length), serial));
      }),
      cases(),
    );
  });
});

describe('readTlv', () => {
  it('never leaves its limits', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: -2, max: 45 }),
        fc.nat(45),
        (bytes, at, limit) => {
          const der = Buffer.from(bytes);
          const value = readTlv(der, at, limit);
          if (value === null) return;
          expect(value.to).toBeLessThanOrEqual(Math.min(limit, der.length));
          expect([...childrenOf(der, value)].every((child) => child.from > value.from && child.to <= value.to)).toBe(
            true,
          );
        },
      ),
      cases(),
    );
  });
});
