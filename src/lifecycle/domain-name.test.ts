import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { matchesDomain, normalizeDomain } from './domain-name.ts';

const label63 = 'a'.repeat(63);
const name253 = `${[label63, label63, label63].join('.')}.${'b'.repeat(61)}`;

describe('normalizeDomain', () => {
  it.each([
    ['example.com', 'example.com'],
    ['  Example.COM\t', 'example.com'],
    ['example.com.', 'example.com'],
    ['example.com...', 'example.com'],
    ['*.Example.com.', '*.example.com'],
    ['localhost', 'localhost'],
    ['_acme-challenge.example.com', '_acme-challenge.example.com'],
    ['a--b.example.com', 'a--b.example.com'],
    ['1.example.com', '1.example.com'],
    ['0x7f.example.com', '0x7f.example.com'],
    ['123.com', '123.com'],
    ['münchen.de', 'xn--mnchen-3ya.de'],
    ['MÜNCHEN.de', 'xn--mnchen-3ya.de'],
    ['mu\u0308nchen.de', 'xn--mnchen-3ya.de'],
    ['*.münchen.de', '*.xn--mnchen-3ya.de'],
    ['xn--mnchen-3ya.de', 'xn--mnchen-3ya.de'],
    ['faß.de', 'xn--fa-hia.de'],
    ['例え。テスト', 'xn--r8jz45g.xn--zckzah'],
    ['example．com', 'example.com'],
    ['example｡com。', 'example.com'],
    ['Ｅｘａｍｐｌｅ.com', 'example.com'],
    ['exa\u00admple.com', 'example.com'],
    ['bücher.例え.com', 'xn--bcher-kva.xn--r8jz45g.com'],
    [`${label63}.com`, `${label63}.com`],
    [name253, name253],
    [`*.${name253.slice(2)}`, `*.${name253.slice(2)}`],
  ])('brings %j to one form', (input, name) => {
    expect(normalizeDomain(input)).toBe(name);
  });

  it.each([
    '',
    ' ',
    '.',
    '...',
    '*',
    '*.',
    '*.*.com',
    'a.*.com',
    'a*.com',
    '*a.com',
    '**.com',
    '.example.com',
    'a..b',
    '*..com',
    '-a.com',
    'a-.com',
    'a.-b',
    '-',
    'exa mple.com',
    'exa\u00a0mple.com',
    'example.com .',
    'a\nb.com',
    'a\0b.com',
    `${label63}a.com`,
    `${name253}b`,
    `*.${name253}`,
    'a.'.repeat(600),
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '0x7f000001',
    '127.0.0.0x1',
    '127.0.0.1.',
    '1.2.3.4.5',
    '256.256.256.256',
    '１２７.０.０.１',
    '127。0。0。1',
    '⑫7.1',
    'example.1',
    'example.0x',
    '*.1.2.3.4',
    '::1',
    '[::1]',
    '2001:db8::1',
    '::ffff:127.0.0.1',
    'fe80::1%eth0',
    'example%2ecom',
    'example％2ecom',
    '127%2e0.0.1',
    'user@example.com',
    'example.com:443',
    'example.com/path',
    'example.com\\x',
    'a?b',
    'a#b',
    'https://example.com',
    'a|b.com',
    'a^b.com',
    'a<b>.com',
    'a,b.com',
    "a'b.com",
    'a"b.com',
    'a`b',
    'a{b}.com',
    'a+b.com',
    'a=b.com',
    'a;b.com',
    '$(id).com',
    'exa\u2028mple.com',
    '\u202eexample.com',
    'ex\ud800ample.com',
    '\u00ad',
    '＊.example.com',
    'a：443',
  ])('refuses %j', (input) => {
    expect(normalizeDomain(input)).toBeNull();
  });

  const spelled = fc.oneof(
    fc.domain(),
    fc.string({
      unit: fc.constantFrom(
        'a',
        'Z',
        '0',
        '9',
        '-',
        '_',
        '.',
        '*',
        'ü',
        'ß',
        '。',
        '例',
        ' ',
        '%',
        '\u00ad',
        '\u200d',
        'x',
        ':',
      ),
    }),
    fc.string({ unit: 'binary' }),
    fc
      .tuple(fc.constantFrom('', '*.', ' ', '.'), fc.domain(), fc.constantFrom('', '.', '..', ' '))
      .map((parts) => parts.join('')),
  );

  it('is idempotent, and every name it gives is a plain host name of at most 253 characters', () => {
    fc.assert(
      fc.property(spelled, (input) => {
        const name = normalizeDomain(input);
        if (name === null) return;
        expect(normalizeDomain(name)).toBe(name);
        expect(name).toMatch(
          /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/,
        );
        expect(name.length).toBeLessThanOrEqual(253);
      }),
      cases(2000),
    );
  });

  it('gives a name the same form whatever its case, blanks around it and trailing dots', () => {
    fc.assert(
      fc.property(fc.domain(), fc.boolean(), (domain, upper) => {
        const name = normalizeDomain(domain);
        expect(normalizeDomain(` ${upper ? domain.toUpperCase() : domain}. `)).toBe(name);
      }),
      cases(),
    );
  });

  it('takes no longer for a long run of dots than for anything else', () => {
    const started = performance.now();
    for (let round = 0; round < 100; round += 1) expect(normalizeDomain(`${'.'.repeat(1000)}x`)).toBeNull();
    expect(performance.now() - started).toBeLessThan(2000);
    expect(normalizeDomain(`${'.'.repeat(1_000_000)}x`)).toBeNull();
  });
});

describe('matchesDomain', () => {
  it.each([
    ['example.com', 'example.com', true],
    ['example.com', 'a.example.com', false],
    ['example.com', 'notexample.com', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', '*.example.com', true],
    ['*.example.com', '*.a.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'notexample.com', false],
    ['*.example.com', 'a.example.com.evil.org', false],
    ['*', 'anything.at.all', true],
    ['example.com', '*.example.com', false],
  ])('%s covers %s: %s', (pattern, name, covered) => {
    expect(matchesDomain(pattern, name)).toBe(covered);
  });
});
