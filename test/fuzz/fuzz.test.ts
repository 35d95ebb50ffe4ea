import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kindOf, parseAddress } from './address-oracle.ts';
import { fuzzHttp, type FuzzOptions } from './http.ts';
import { problemOf } from './json-schema.ts';
import { fuzzJson } from './json.ts';
import { type FuzzReport, reportText } from './report.ts';
import { fuzzSchema } from './schema.ts';
import { openStage, type Stage } from './stage.ts';
import { fuzzTls } from './tls.ts';
import { fuzzUrls } from './urls.ts';

const seed = 1;

/** `clean`, or the whole report with the seed that shows its flaws again; a run that came to few answers tried little. */
const outcomeOf = (report: FuzzReport, leastAnswers: number): string =>
  report.flaws.length === 0 && Object.keys(report.answers).length >= leastAnswers ? 'clean' : reportText(report);

interface Run {
  readonly what: string;
  readonly role: 'serve' | 'all';
  readonly fuzz: (stage: Stage, options: FuzzOptions) => Promise<FuzzReport>;
  readonly count: number;
  readonly leastAnswers: number;
}

describe.each<Run>([
  { what: 'requests that were broken anywhere', role: 'serve', fuzz: fuzzHttp, count: 3000, leastAnswers: 15 },
  { what: 'signed bodies of every kind', role: 'serve', fuzz: fuzzJson, count: 1500, leastAnswers: 3 },
  { what: 'calls that the OpenAPI document allows or not', role: 'all', fuzz: fuzzSchema, count: 800, leastAnswers: 6 },
])('$what', ({ role, fuzz, count, leastAnswers }) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(role);
  });
  afterAll(() => stage.close());

  it('come to nothing bad', { timeout: 120_000 }, async () => {
    expect(outcomeOf(await fuzz(stage, { seed, count }), leastAnswers)).toBe('clean');
  });
});

describe('nothing comes of', () => {
  it('certificates and TLS servers that were broken', { timeout: 60_000 }, async () => {
    expect(outcomeOf(await fuzzTls({ seed, count: 1500 }), 8)).toBe('clean');
  });

  it('addresses and names in any spelling', { timeout: 60_000 }, async () => {
    expect(outcomeOf(await fuzzUrls({ seed, count: 5000 }), 5)).toBe('clean');
  });
});

describe('what judges', () => {
  it.each([
    ['10.0.0.1', 'special'],
    ['::ffff:10.0.0.1', 'special'],
    ['64:ff9b::a00:1', 'special'],
    ['fd00::1', 'special'],
    ['2002:a00:1::', 'special'],
    ['9.255.255.255', 'public'],
    ['2606:4700::1111', 'public'],
    ['::ffff:1.1.1.1', 'public'],
  ])('knows that %s is %s', (text, kind) => {
    const parsed = parseAddress(text);
    expect(parsed !== null && kindOf(parsed)).toBe(kind);
  });

  it.each([
    '127.1',
    '0x7f.0.0.1',
    '010.0.0.1',
    '2130706433',
    '1.2.3.4.5',
    'fe80::1%eth0',
    '[::1]',
    '::1::',
    '1:2:3:4:5:6:7:8:9',
    '',
  ])('takes %s for no address', (text) => expect(parseAddress(text)).toBeNull());

  const schema = {
    type: 'object',
    properties: { a: { type: 'string', minLength: 2 }, b: { anyOf: [{ const: 1 }, { type: 'null' }] } },
    required: ['a'],
    additionalProperties: false,
  };
  const nothing = () => ({});

  it.each([
    [{ a: 'xx' }, null],
    [{ a: 'xx', b: null }, null],
    [{ a: 'x' }, 'body.a is too short'],
    [{ a: 7 }, 'body.a is no string'],
    [{}, 'body lacks a'],
    [{ a: 'xx', b: 2 }, 'body.b fits none of 2 forms'],
    [{ a: 'xx', c: 1 }, 'body has an unknown member c'],
    [[], 'body is no object'],
  ])('finds what %j breaks of a schema', (value, problem) => {
    expect(problemOf(schema, value, nothing)).toBe(problem);
  });

  it('passes over no keyword that it does not know', () => {
    expect(() => problemOf({ ...schema, dependentRequired: {} }, { a: 'xx' }, nothing)).toThrow('dependentRequired');
  });
});
