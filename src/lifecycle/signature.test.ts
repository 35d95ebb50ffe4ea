import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { checkTimestamp, signEvent, signingKey, verifySignature } from './signature.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
const key = signingKey('correct horse');
const timestamp = fc.integer({ min: 0, max: 4_000_000_000 }).map(String);
const body = fc.uint8Array({ maxLength: 64 });
const secret = fc.string({ minLength: 1, unit: 'grapheme' });

describe('signEvent and verifySignature', () => {
  it('fits what any other program computes', () => {
    // printf '1767225600.{"a":1}' | openssl dgst -sha256 -hmac 'correct horse'
    const expected = 'd50bba6be614dd52ea9f970efad9b7ec3004382f28bc15cf25091b9ab694ce49';
    expect(signEvent('correct horse', '1767225600', bytes('{"a":1}'))).toBe(expected);
    expect(signEvent(key, '1767225600', bytes('{"a":1}'))).toBe(expected);
  });

  it('a signature verifies, in either case, under its own secret and no other', () => {
    fc.assert(
      fc.property(secret, secret, timestamp, body, (one, other, at, raw) => {
        const signature = signEvent(one, at, raw);
        expect(signature).toMatch(/^[0-9a-f]{64}$/);
        expect(verifySignature([signingKey(one)], at, raw, signature)).toBe(true);
        expect(verifySignature([signingKey(one)], at, raw, signature.toUpperCase())).toBe(true);
        expect(verifySignature([signingKey(other)], at, raw, signature)).toBe(
          Buffer.from(one).equals(Buffer.from(other)),
        );
      }),
      cases(),
    );
  });

  it('any flipped bit of the body or the signature, and any other timestamp, fails', () => {
    fc.assert(
      fc.property(
        timestamp,
        timestamp,
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.nat(),
        fc.nat({ max: 7 }),
        (at, other, raw, place, bit) => {
          const signature = signEvent(key, at, raw);
          const flipped = (source: Uint8Array): Uint8Array =>
            source.map((byte, index) => (index === place % source.length ? byte ^ (1 << bit) : byte));
          expect(verifySignature([key], at, flipped(raw), signature)).toBe(false);
          expect(
            verifySignature([key], at, raw, Buffer.from(flipped(Buffer.from(signature, 'hex'))).toString('hex')),
          ).toBe(false);
          expect(verifySignature([key], other, raw, signature)).toBe(other === at);
          expect(verifySignature([key], `0${at}`, raw, signature)).toBe(false);
        },
      ),
      cases(),
    );
  });

  it('the dot cannot move between timestamp and body', () => {
    const signature = signEvent(key, '17', bytes('67.{}'));
    expect(verifySignature([key], '17', bytes('67.{}'), signature)).toBe(true);
    expect(verifySignature([key], '1767', bytes('{}'), signature)).toBe(false);
  });

  const sent = '{"source":"lego","payload":{"a":1,"b":"\u00e9"}}';
  it.each([
    ['re-spaced', '{"source": "lego","payload":{"a":1,"b":"\u00e9"}}'],
    ['with a line at its end', `${sent}\n`],
    ['re-ordered', '{"payload":{"a":1,"b":"\u00e9"},"source":"lego"}'],
    ['re-escaped', '{"source":"lego","payload":{"a":1,"b":"\\u00e9"}}'],
    ['with another number format', '{"source":"lego","payload":{"a":1.0,"b":"\u00e9"}}'],
    ['with a byte order mark', `\ufeff${sent}`],
  ])('the same JSON %s does not fit the old signature', (_, text) => {
    const signature = signEvent(key, '1767225600', bytes(sent));
    expect(verifySignature([key], '1767225600', bytes(sent), signature)).toBe(true);
    expect(verifySignature([key], '1767225600', bytes(text), signature)).toBe(false);
  });

  it('accepts every key of a rotation, in any place, and none without keys', () => {
    const keys = ['old', 'new', 'newest'].map(signingKey);
    for (const one of keys)
      expect(verifySignature(keys, '1', bytes('{}'), signEvent(one, '1', bytes('{}')))).toBe(true);
    expect(verifySignature(keys.slice(1), '1', bytes('{}'), signEvent('old', '1', bytes('{}')))).toBe(false);
    expect(verifySignature([], '1', bytes('{}'), signEvent('old', '1', bytes('{}')))).toBe(false);
  });

  it('is exactly 64 hex digits', () => {
    const good = signEvent(key, '1', bytes(''));
    const bad = [
      '',
      good.slice(1),
      `${good}0`,
      `${good}00`,
      ` ${good}`,
      `${good} `,
      `${good}\n`,
      `0x${good}`,
      `sha256=${good}`,
      `${good.slice(1)}g`,
    ];
    for (const presented of bad) expect(verifySignature([key], '1', bytes(''), presented)).toBe(false);
  });

  it('garbage is refused and never throws', () => {
    const noise = (maxLength: number) => fc.uint8Array({ maxLength }).map((raw) => Buffer.from(raw));
    const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((raw) => Buffer.from(raw).toString('hex'));
    const garbage = fc.oneof(
      noise(80).map(String),
      noise(160).map((raw) => raw.toString('utf16le')),
      hex,
    );
    fc.assert(
      fc.property(garbage, noise(20).map(String), body, (presented, at, raw) => {
        expect(verifySignature([key], at, raw, presented)).toBe(false);
      }),
      cases(),
    );
  });
});

describe('checkTimestamp', () => {
  const now = 1_767_225_600_000;
  it.each([
    ['1767225600', 'ok'],
    ['1767225300', 'ok'],
    ['1767225900', 'ok'],
    ['1767225299', 'expired'],
    ['1767225901', 'expired'],
    ['0', 'expired'],
    ['9'.repeat(400), 'expired'],
    ['1767225600000', 'expired'],
    [undefined, 'invalid'],
    ['', 'invalid'],
    ['123abc', 'invalid'],
    ['1767225600.0', 'invalid'],
    ['-1767225600', 'invalid'],
    ['+1767225600', 'invalid'],
    [' 1767225600', 'invalid'],
    ['1767225600\n', 'invalid'],
    ['1e9', 'invalid'],
    ['0x6955b900', 'invalid'],
    ['١٧٦٧٢٢٥٦٠٠', 'invalid'],
    ['1767225600,1767225600', 'invalid'],
  ] as const)('%s is %s', (header, verdict) => {
    expect(checkTimestamp(header, now, 300)).toBe(verdict);
    expect(checkTimestamp(header, now + 999, 300)).toBe(verdict);
  });

  it('passes within the window and not outside, both ways', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -600, max: 600 }),
        fc.integer({ min: 1, max: 500 }),
        fc.nat({ max: 999 }),
        (offset, maxAge, ms) => {
          const verdict = checkTimestamp(String(now / 1000 + offset), now + ms, maxAge);
          expect(verdict).toBe(Math.abs(offset) <= maxAge ? 'ok' : 'expired');
        },
      ),
      cases(),
    );
  });
});
