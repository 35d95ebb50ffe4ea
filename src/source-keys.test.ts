import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../test/support/properties.ts';
import { parseSourceKeys, type SourceKey, subjectOf } from './source-keys.ts';

const keysOf = (text: string): Record<string, SourceKey> => {
  const parsed = parseSourceKeys(text);
  if ('problems' in parsed) throw new Error(parsed.problems.join('; '));
  return Object.fromEntries(parsed.keys);
};
const problemsOf = (text: string): readonly string[] => {
  const parsed = parseSourceKeys(text);
  return 'problems' in parsed ? parsed.problems : [];
};

describe('the comma list', () => {
  it('reads sources, clusters and secrets, whatever the case of names and blanks around them', () => {
    expect(keysOf(' Lego:C1=s3cret , cert_manager : prod = Other ')).toEqual({
      'lego:c1': { source: 'lego', cluster: 'c1', secrets: ['s3cret'], domains: null },
      'cert_manager:prod': { source: 'cert_manager', cluster: 'prod', secrets: ['Other'], domains: null },
    });
  });

  it.each([
    ['a:b=c=d==', 'a', 'b', 'c=d=='],
    ['a:b=c:d', 'a', 'b', 'c:d'],
    ['a:b:c=d', 'a', 'b:c', 'd'],
    ['a:b==', 'a', 'b', '='],
    ['a:b= [x]', 'a', 'b', '[x]'],
    ['a:b=ünï', 'a', 'b', 'ünï'],
  ])('splits %s at the first : and the first =', (text, source, cluster, secret) => {
    expect(keysOf(text)).toEqual({ [`${source}:${cluster}`]: { source, cluster, secrets: [secret], domains: null } });
  });

  it('takes the same pair twice for a key in rotation', () => {
    expect(keysOf('a:b=old,c:d=x,A:B=new')['a:b']?.secrets).toEqual(['old', 'new']);
  });

  it.each([
    ['', [1]],
    [' ', [1]],
    ['a:b=c,', [2]],
    ['a:b=c,,d:e=f', [2]],
    ['a:b', [1]],
    ['a=b', [1]],
    ['a=b:c', [1]],
    [':b=c', [1]],
    ['a:=c', [1]],
    [' :b=c', [1]],
    ['a: =c', [1]],
    ['a:b=', [1]],
    ['a:b= ', [1]],
    ['a:b=c,a:b=se,cret', [3]],
    ['x,a:b=c,y', [1, 3]],
  ])('%j names the places %j and stops', (text, places) => {
    expect(problemsOf(text)).toEqual(places.map((place) => `entry ${place} is not of the form source:cluster=secret`));
  });
});

describe('the JSON form', () => {
  const entry = (more: Record<string, unknown>) => ({ source: 'a', cluster: 'b', secrets: ['x'], ...more });
  const json = (...entries: unknown[]): string => JSON.stringify(entries);

  it('reads secrets with commas, several at once, and domain bindings in their one form', () => {
    const text = `\n ${json({ source: ' Lego ', cluster: 'C1', secrets: ['a,b=c:d', ' x '], domains: ['*.Example.COM.', 'münchen.de', '*'] })}`;
    expect(keysOf(text)).toEqual({
      'lego:c1': {
        source: 'lego',
        cluster: 'c1',
        secrets: ['a,b=c:d', ' x '],
        domains: ['*.example.com', 'xn--mnchen-3ya.de', '*'],
      },
    });
  });

  it('binds to every domain where none is given', () => {
    expect(keysOf(json(entry({})))['a:b']?.domains).toBeNull();
  });

  it.each([
    ['both bound', ['a.com'], ['b.com'], ['a.com', 'b.com']],
    ['only the first bound', ['a.com'], undefined, ['a.com']],
    ['only the second bound', undefined, ['b.com'], ['b.com']],
    ['none bound', undefined, undefined, null],
  ])('a rotation never lifts a binding: %s', (_, first, second, domains) => {
    const keys = keysOf(json(entry({ domains: first }), entry({ secrets: ['y'], domains: second })));
    expect(keys).toEqual({ 'a:b': { source: 'a', cluster: 'b', secrets: ['x', 'y'], domains } });
  });

  it.each([
    ['[', 'is not valid JSON'],
    ['[{"source":"a",}]', 'is not valid JSON'],
    ['[]', 'must be a JSON array of one or more entries'],
  ])('%s %s', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it.each([
    [{ source: '' }, 'source'],
    [{ source: ' ' }, 'source'],
    [{ source: 1 }, 'source'],
    [{ source: 'a:b' }, 'source'],
    [{ source: 'x'.repeat(81) }, 'source'],
    [{ cluster: undefined }, 'cluster'],
    [{ cluster: 'x'.repeat(121) }, 'cluster'],
    [{ secrets: [] }, 'secrets'],
    [{ secrets: [''] }, 'secrets'],
    [{ secrets: 'x' }, 'secrets'],
    [{ secrets: [1] }, 'secrets'],
    [{ domains: [] }, 'domains'],
    [{ domains: ['a b'] }, 'domains'],
    [{ domains: ['127.0.0.1'] }, 'domains'],
    [{ domains: 'a.com' }, 'domains'],
    [{ domains: null }, 'domains'],
    [{ secret: 'x' }, 'a field that is not known'],
    [{ source: 1, cluster: 1 }, 'source, cluster'],
  ])('an entry with %j is refused by its place and field', (more, fields) => {
    expect(problemsOf(json(entry({}), entry(more)))).toEqual([
      `entry 2: ${fields} must be given as {"source","cluster","secrets":[…],"domains":[…]}`,
    ]);
  });

  it.each([[null], ['a:b=c'], [1], [[]]])('an entry %j is refused', (bad) => {
    expect(problemsOf(json(bad))).toEqual([expect.stringMatching(/^entry 1: /)]);
  });
});

const word = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);

describe('any list of keys', () => {
  const secret = fc.stringMatching(/^[!-+\--~]{1,30}$/);
  const entries = fc.array(fc.record({ source: word, cluster: word, secret }), { minLength: 1, maxLength: 6 });

  it('comes back as it was written, in either form', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const text = list.map((one) => `${one.source}:${one.cluster}=${one.secret}`).join(',');
        const asJson = JSON.stringify(
          list.map(({ source, cluster, secret: one }) => ({ source, cluster, secrets: [one] })),
        );
        const keys = keysOf(text);
        expect(keysOf(asJson)).toEqual(keys);
        for (const { source, cluster, secret: one } of list)
          expect(keys[subjectOf(source, cluster)]?.secrets).toContain(one);
        expect(Object.values(keys).flatMap(({ secrets }) => secrets)).toHaveLength(list.length);
      }),
      cases(),
    );
  });

  it('a problem never shows what was written', () => {
    const marker = fc.stringMatching(/^[G-Zg-z]{12}$/).map((text) => `MK${text}`);
    const shapes: ((text: string) => string)[] = [
      (s) => s,
      (s) => `${s}=`,
      (s) => `a=${s}:b`,
      (s) => `a:=${s}`,
      (s) => `a:b=ok,${s}`,
      (s) => `[${s}`,
      (s) => `[{"${s}":1}]`,
      (s) => JSON.stringify([{ source: [s], cluster: s, secrets: s }]),
      (s) => JSON.stringify([{ source: 'a', cluster: 'b', secrets: [s], [s]: s }]),
      (s) => JSON.stringify([{ source: 'a', cluster: 'b', secrets: [s], domains: [`${s} `, `${s}@`] }]),
      (s) => JSON.stringify([s]),
    ];
    fc.assert(
      fc.property(marker, fc.constantFrom(...shapes), (text, shape) => {
        const problems = problemsOf(shape(text));
        expect(problems.length).toBeGreaterThan(0);
        expect(problems.join('\n').toLowerCase()).not.toContain(text.slice(2).toLowerCase());
      }),
      cases(),
    );
  });
});
