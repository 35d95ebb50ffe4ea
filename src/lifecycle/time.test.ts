import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { parseTime } from './time.ts';

const maxEpochMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

describe('parseTime', () => {
  it.each([
    ['2026-02-28T12:34:56Z', Date.UTC(2026, 1, 28, 12, 34, 56)],
    ['2026-02-28t12:34:56z', Date.UTC(2026, 1, 28, 12, 34, 56)],
    ['2026-02-28 12:34:56Z', Date.UTC(2026, 1, 28, 12, 34, 56)],
    ['2026-02-28T12:34:56+02:00', Date.UTC(2026, 1, 28, 10, 34, 56)],
    ['2026-02-28T12:34:56-05:30', Date.UTC(2026, 1, 28, 18, 4, 56)],
    ['2026-02-28T12:34:56+23:59', Date.UTC(2026, 1, 27, 12, 35, 56)],
    ['2026-02-28T12:34:56-00:00', Date.UTC(2026, 1, 28, 12, 34, 56)],
    ['2026-02-28T12:34:56.7Z', Date.UTC(2026, 1, 28, 12, 34, 56, 700)],
    ['2026-02-28T12:34:56.07Z', Date.UTC(2026, 1, 28, 12, 34, 56, 70)],
    ['2026-02-28T12:34:56.007Z', Date.UTC(2026, 1, 28, 12, 34, 56, 7)],
    ['2026-02-28T12:34:56.9999999999Z', Date.UTC(2026, 1, 28, 12, 34, 56, 999)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['1970-01-01T00:00:00Z', 0],
    ['1970-01-01T01:00:00+01:00', 0],
    ['9999-12-31T23:59:59.999Z', maxEpochMs],
    ['1990-12-31T23:59:60Z', Date.UTC(1991, 0, 1)],
    ['1990-12-31T15:59:60-08:00', Date.UTC(1991, 0, 1)],
    [0, 0],
    [1_767_225_600_123, 1_767_225_600_123],
    [maxEpochMs, maxEpochMs],
  ])('reads %s', (value, epoch) => {
    expect(parseTime(value)).toBe(epoch);
  });

  it.each([
    '2026-02-31T12:00:00Z',
    '2026-02-29T12:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T12:60:00Z',
    '2026-01-01T12:00:61Z',
    '2026-01-01T12:00:60Z',
    '2026-01-01T23:59:60+01:00',
    '2026-01-01T12:00:00',
    '2026-01-01',
    '2026-01-01T12:00Z',
    '20260101T120000Z',
    '2026-01-01T12:00:00+0100',
    '2026-01-01T12:00:00+24:00',
    '2026-01-01T12:00:00+01:60',
    '2026-01-01T12:00:00.Z',
    '2026-01-01T12:00:00,5Z',
    '26-01-01T12:00:00Z',
    '+2026-01-01T12:00:00Z',
    '12026-01-01T12:00:00Z',
    '0099-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    ' 2026-01-01T12:00:00Z',
    '2026-01-01T12:00:00Z ',
    '2026-01-01T12:00:00Z\n',
    '٢٠٢٦-01-01T12:00:00Z',
    'yesterday',
    '',
    '1767225600123',
    '1767225600',
    '0',
    'Thu, 01 Jan 2026 12:00:00 GMT',
    `2026-01-01T12:00:00.${'1'.repeat(60)}Z`,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    maxEpochMs + 1,
    1e300,
    null,
    undefined,
    true,
    {},
    [],
    ['2026-01-01T12:00:00Z'],
    new Date(0),
    5n,
  ])('refuses %o', (value) => {
    expect(parseTime(value)).toBeNull();
  });

  it('reads every time that JSON dates are written as', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: maxEpochMs }), (epoch) => {
        expect(parseTime(new Date(epoch).toISOString())).toBe(epoch);
        expect(parseTime(epoch)).toBe(epoch);
      }),
      cases(),
    );
  });

  it('reads the common form as any other, and refuses what no calendar has in both', () => {
    const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
    const wall = fc
      .tuple(
        fc.integer({ min: 0, max: 9999 }),
        two(14),
        two(33),
        two(25),
        two(61),
        two(61),
        fc.constantFrom('', '.042'),
      )
      .map(([y, mo, d, h, mi, s, f]) => `${String(y).padStart(4, '0')}-${mo}-${d}T${h}:${mi}:${s}${f}`);
    fc.assert(
      fc.property(wall, (text) => {
        expect(parseTime(`${text}Z`)).toBe(parseTime(`${text}+00:00`));
      }),
      cases(),
    );
  });

  it('never throws, and gives a time within its years or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything(), fc.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,4})?(Z|[+-]\d\d:\d\d)$/)),
        (value) => {
          const epoch = parseTime(value);
          expect(epoch === null || (Number.isInteger(epoch) && epoch >= 0 && epoch <= maxEpochMs)).toBe(true);
        },
      ),
      cases(),
    );
  });
});
