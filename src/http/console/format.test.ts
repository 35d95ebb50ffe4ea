import { describe, expect, it } from 'vitest';
import { csvCell } from './csv.ts';
import {
  change,
  count,
  counted,
  dueText,
  exactText,
  latency,
  rate,
  relativeText,
  shortFingerprint,
  shortId,
  sinceText,
  span,
  wrapPieces,
} from './format.ts';
import { fingerprintIn } from './routes/search.tsx';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const now = Date.parse('2026-11-21T03:12:00Z');

describe('a number', () => {
  it.each([
    [0, '0'],
    [48_211, '48,211'],
    [-40, '−40'],
    [null, '–'],
    [undefined, '–'],
  ])('%s is shown as %s', (n, text) => expect(count(n)).toBe(text));

  it.each([
    [312, '+312'],
    [-40, '−40'],
    [0, '0'],
  ])('a change of %i is shown as %s', (n, text) => expect(change(n)).toBe(text));

  it('agrees with its noun', () => {
    expect([counted(1, 'domain'), counted(2, 'domain'), counted(0, 'address', 'addresses')]).toEqual([
      '1 domain',
      '2 domains',
      '0 addresses',
    ]);
  });
});

describe('a length of time', () => {
  it.each([
    [0, '0 s'],
    [2 * second, '2 s'],
    [59 * second + 999, '59 s'],
    [minute, '1 min'],
    [58 * minute, '58 min'],
    [4 * hour + 31 * minute, '4 h 31 min'],
    [4 * hour, '4 h'],
    [22 * hour + 5 * minute, '22 h'],
    [5 * day + 19 * hour, '5 d 19 h'],
    [89 * day + 3 * hour, '89 d'],
    [-6 * day, '6 d'],
  ])('of %i ms is %s', (ms, text) => expect(span(ms)).toBe(text));

  it.each([
    [0.4, '0.4 ms'],
    [73.4, '73 ms'],
    [1250, '1.25 s'],
    [0, '0 ms'],
    [null, '–'],
    [130 * second, '2 min'],
  ])('a latency of %s ms is %s', (ms, text) => expect(latency(ms)).toBe(text));

  it.each([
    [187.3, '187'],
    [0.4321, '0.43'],
    [0, '0'],
    [null, '–'],
  ])('a rate of %s is %s', (n, text) => expect(rate(n)).toBe(text));
});

describe('a moment', () => {
  it.each([
    [now - 4 * hour, '4 h ago'],
    [now, '0 s ago'],
    [now + 89 * day, 'in 89 d'],
    [now - 30 * day, '30 d ago'],
    [now - 31 * day, '21 Oct 2026'],
  ])('%i is %s', (at, text) => expect(relativeText(at, now, 'UTC')).toBe(text));

  it('is exact to the second, with its zone', () => {
    expect(exactText(now, 'UTC')).toBe('21 Nov 2026 03:12:00 UTC');
    expect(exactText(Date.parse('2026-09-01T00:00:00Z'), 'UTC')).toBe('1 Sep 2026 00:00:00 UTC');
    expect(exactText(now, 'America/New_York')).toBe('20 Nov 2026 22:12:00 GMT-5');
  });

  it('says how late a deadline is', () => {
    expect([dueText(now - 6 * day, now), dueText(now + day, now)]).toEqual(['6 d overdue', 'in 1 d']);
    expect(sinceText(now - 31 * day, now, 'UTC')).toBe('21 Oct 2026');
  });
});

describe('names', () => {
  it.each([
    ['a-b.example', ['a-', 'b.', 'example']],
    ['example', ['example']],
    ['*.a.example', ['*.', 'a.', 'example']],
    ['<b>x', ['<b>x']],
    ['', []],
  ])('%s may wrap after each piece', (name, pieces) => expect(wrapPieces(name)).toEqual(pieces));

  it('shortens what is long', () => {
    const hex = '4F1A9C02B6D8E3517A0C94F2D1856B3EA27F40C9138DE56B7094AC21F83577E0';
    expect(shortFingerprint(`sha256:${hex}`)).toBe('4F1A 9C02 … 77E0');
    expect(shortFingerprint('serial:1')).toBe('serial:1');
    expect(shortFingerprint('x'.repeat(40))).toBe(`${'x'.repeat(23)}…`);
    expect(shortId('019aa1c7-0b12-7000-8000-000000000000')).toBe('019aa1c7-0b12');
    expect(shortId('213')).toBe('213');
  });

  it.each([
    ['sha256:4f1a9c02', '4F1A9C02'],
    ['SHA256 = 4F:1A:9C:02:B6', '4F1A9C02B6'],
    ['4F1A 9C02', '4F1A9C02'],
    ['4f1a9c0', null],
    ['cafe.example', null],
  ])('%s is a fingerprint: %s', (text, hex) => expect(fingerprintIn(text)).toBe(hex));
});

describe('a cell of an export', () => {
  it.each([
    ['=1+1', `'=1+1`],
    ['+49', `'+49`],
    ['-x', `'-x`],
    ['@a', `'@a`],
    ['\n=1', `"'\n=1"`],
    ['＝1+1', `'＝1+1`],
    ['a,b', '"a,b"'],
    ['a"b', '"a""b"'],
    ['a\nb', '"a\nb"'],
    [-40, '-40'],
    [true, 'true'],
    [null, ''],
    [new Date(now), '2026-11-21T03:12:00.000Z'],
  ])('%s is written as %s', (value, text) => expect(csvCell(value)).toBe(text));
});
