import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { canonicalJson } from './canonical-json.ts';

// Few keys and values, so that equal pairs come up by chance as well. No key that ends in a backslash: once the V8 of
// Node 24 has seen an object with the key \, its JSON.parse reads the key " of the next such object as \ too.
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, '', 'a', 'b', '1', 0, 1, -1.5, 1e21, '\u2028', '"', '\\'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '1', '10', '2', '', '__proto__', 'é', '"'), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
})).value;

const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return JSON.parse(
    `{${Object.entries(value)
      .toReversed()
      .map(([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(reversed(member))}`)
      .join(',')}}`,
  );
};

describe('canonicalJson', () => {
  it.each([
    [{ b: 1, a: [{ d: null, c: 'x' }] }, '{"a":[{"c":"x","d":null}],"b":1}'],
    [{ a: undefined, b: [undefined] }, '{"b":[null]}'],
    [{ '10': 1, '9': 2 }, '{"10":1,"9":2}'],
    ['é"\n', '"é\\"\\n"'],
    [-0, '0'],
    [[], '[]'],
    [{}, '{}'],
    [JSON.parse('{"__proto__":{"b":1,"a":2}}'), '{"__proto__":{"a":2,"b":1}}'],
  ])('writes %j', (value, text) => {
    expect(canonicalJson(value)).toBe(text);
  });

  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      cases(),
    );
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
      cases(),
    );
  });

  it('is the same text for equal values, and only for them', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const plain = [a, b].map((value): unknown => JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(a) === canonicalJson(b)).toBe(isDeepStrictEqual(plain[0], plain[1]));
      }),
      cases(),
    );
  });
});
