import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { AppError } from '../errors.ts';
import { assertStorable, guardJson } from './json-guard.ts';

const thrownBy = (run: () => void): unknown => {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
};

const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);

describe('guardJson', () => {
  it.each([
    ['32 arrays', nested(32, '[', ']')],
    ['32 objects', `${'{"a":'.repeat(31)}{}${'}'.repeat(31)}`],
    ['many side by side', `[${Array(1000).fill('[[]]').join(',')}]`],
    ['brackets in a string', JSON.stringify('['.repeat(100))],
    ['brackets after an escaped quote', JSON.stringify(`"${'{'.repeat(100)}`)],
    ['a string that ends in a backslash', `["\\\\",${nested(31, '[', ']')}]`],
    ['no JSON at all', ']]]]}}}'],
    ['an open string', `"${'['.repeat(100)}`],
    ['nothing', ''],
  ])('passes %s', (_, text) => {
    expect(thrownBy(() => guardJson(text))).toBeNull();
  });

  it.each([
    ['33 arrays', nested(33, '[', ']')],
    ['33 objects', `${'{"a":'.repeat(32)}{}${'}'.repeat(32)}`],
    ['both kinds in turn', `${'{"a":['.repeat(17)}${']}'.repeat(17)}`],
    ['depth behind a string that ends in a backslash', `["\\\\",${nested(32, '[', ']')}]`],
    ['depth behind an escaped quote', `["\\"",${nested(32, '[', ']')}]`],
    ['a million that never close', '['.repeat(1_000_000)],
  ])('refuses %s', (_, text) => {
    const error = thrownBy(() => guardJson(text));
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'bad_request', message: 'The body must not nest deeper than 32 levels' });
  });

  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

  it('judges exactly as the parsed value would', () => {
    const wrapped = fc.tuple(fc.json({ maxDepth: 4 }), fc.integer({ min: 24, max: 36 }), fc.boolean());
    fc.assert(
      fc.property(wrapped, ([inner, levels, objects]) => {
        const text = `${(objects ? '{"\\"[":' : '[').repeat(levels)}${inner}${(objects ? '}' : ']').repeat(levels)}`;
        expect(thrownBy(() => guardJson(text)) === null).toBe(depthOf(JSON.parse(text)) <= 32);
      }),
      cases(),
    );
  });
});

const storable = (text: string): unknown => thrownBy(() => assertStorable(JSON.parse(text), text));

describe('assertStorable', () => {
  it.each([
    '{"a":"b"}',
    '{"a":"\\u00e9\\u0001\\ud83d\\ude00\\uD83D\\uDE00"}',
    '{"a":"😀"}',
    '{"a":"\\\\u0000 \\\\ud800"}',
    '{"\\u0061":["\\u0010",1,null,true,{}]}',
    '[]',
    '"x"',
    '1',
  ])('passes %s', (text) => {
    expect(storable(text)).toBeNull();
  });

  const nul = 'The body must not hold NUL characters';
  const surrogate = 'The body must not hold unpaired surrogates';
  it.each([
    ['{"a":"x\\u0000"}', nul],
    ['{"\\u0000":1}', nul],
    ['{"__proto__":{"a":"\\u0000"}}', nul],
    ['[[[{"a":[1,"\\u0000"]}]]]', nul],
    ['"\\u0000"', nul],
    ['{"a":"\\\\\\u0000"}', nul],
    ['{"a":"\\ud800"}', surrogate],
    ['{"a":"\\uDFFF"}', surrogate],
    ['{"a":"\\ude00\\ud83d"}', surrogate],
    ['{"a":"\\ud83d","b":"\\ude00"}', surrogate],
    ['{"\\uD800":1}', surrogate],
    ['{"a":"\ud800"}', surrogate],
  ])('refuses %s', (text, message) => {
    const error = storable(text);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'bad_request', message });
  });

  const unit = fc.constantFrom('a', 'é', '😀', '\0', '\ud800', '\udc00', '\\', '"', 'u0000', 'ud800');
  const escaped = (value: unknown): string =>
    JSON.stringify(value).replace(/[^\u0020-\u007e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

  it('judges a string as PostgreSQL would, wherever it stands and however it is escaped', () => {
    const place = fc.constantFrom<(text: string) => unknown>(
      (s) => s,
      (s) => [1, s],
      (s) => ({ [s]: 1 }),
      (s) => ({ a: { b: [s] } }),
    );
    fc.assert(
      fc.property(fc.string({ unit }), place, fc.boolean(), (string, at, escape) => {
        const value = at(string);
        const text = escape ? escaped(value) : JSON.stringify(value);
        expect(storable(text) === null).toBe(!string.includes('\0') && string.isWellFormed());
      }),
      cases(),
    );
  });
});
