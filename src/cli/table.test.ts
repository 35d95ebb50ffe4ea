import { describe, expect, it } from 'vitest';
import { printable, table } from './table.ts';

describe('table', () => {
  it('aligns columns under their headings and keeps within the terminal', () => {
    expect(
      table(
        ['A', 'LONG'],
        [
          ['one', 1],
          ['x', 'y'.repeat(40)],
        ],
        20,
      ),
    ).toEqual(['A    LONG', 'one  1', 'x    yyyyyyyyyyyyyy…']);
  });

  it('cuts a cell before it pushes the next column away', () => {
    const [, line] = table(['A', 'B'], [['x'.repeat(100), 'end']], 200);
    expect(line).toBe(`${'x'.repeat(59)}…  end`);
  });

  it('has its headings where there are no rows', () => {
    expect(table(['A', 'B'], [], 80)).toEqual(['A  B']);
  });
});

describe('printable', () => {
  it.each([
    [null, '-'],
    [undefined, '-'],
    ['', ''],
    [0, '0'],
    [false, 'false'],
    [{ a: 1 }, '{"a":1}'],
    ['red \u001b[31m\nalert\u0007', 'red  [31m alert '],
    ['right\u202Eleft', 'right left'],
  ])('%j is %j', (value, text) => {
    expect(printable(value)).toBe(text);
  });
});
