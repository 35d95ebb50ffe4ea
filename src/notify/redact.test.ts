import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { secretsOfUrl, snippetOf } from './redact.ts';

describe('snippetOf', () => {
  it.each([
    ['plain', [], 'plain'],
    ['', [], null],
    ['\r\n', [], null],
    ['key=topsecret1!', ['topsecret1'], 'key=[hidden]!'],
    ['a%2Fb', ['a/b', ''], 'a%2Fb'],
    ['long: secret-and-more, short: secret', ['secret', 'secret-and-more'], 'long: [hidden], short: [hidden]'],
    ['html: a&amp;b', ['a&b'], 'html: [hidden]'],
    ['json: a\\"b', ['a"b'], 'json: [hidden]'],
    ['decoded: a b&c', ['a%20b%26c'], 'decoded: [hidden]'],
  ])('%j without %j is %j', (text, secrets, expected) => {
    expect(snippetOf(text, secrets)).toBe(expected);
  });

  it('is bounded', () => {
    expect(snippetOf('x'.repeat(4096), [])).toHaveLength(500);
  });

  it('holds no secret, wherever and however often it stands', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9_-]{8,40}$/);
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.array(fc.string()), (secrets, others) => {
        const text = others.map((other, index) => `${other}${secrets[index % secrets.length]}`).join(' ');
        const shown = snippetOf(text, secrets) ?? '';
        expect(secrets.filter((one) => shown.includes(one))).toEqual([]);
      }),
      cases(),
    );
  });
});

describe('secretsOfUrl', () => {
  it('takes what may be a key, and leaves plain words', () => {
    const url = new URL(
      'https://user:pass@hooks.example.com/services/T012AB34C/B0/kAjsdh12?sig=q1w2e3r4&api-version=1',
    );
    const secrets = secretsOfUrl(url);
    expect(secrets).toEqual(expect.arrayContaining(['T012AB34C', 'kAjsdh12', 'q1w2e3r4', 'user', 'pass']));
    expect(secrets).toContain('/services/T012AB34C/B0/kAjsdh12?sig=q1w2e3r4&api-version=1');
    expect(secrets).not.toContain('services');
  });

  it('finds nothing in a bare address', () => {
    expect(secretsOfUrl(new URL('https://hooks.example.com')).filter((one) => one !== '')).toEqual([]);
  });
});
