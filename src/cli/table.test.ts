import { describe, expect, it } from 'vitest';
import { facts, factsOf, printable, table } from './table.ts';

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
    expect(line).toBe(`${'x'.repeat(71)}…  end`);
  });

  it('shows the last column whole where there is room', () => {
    const [, line] = table(['A', 'B'], [['x', 'y'.repeat(100)]], 200);
    expect(line).toBe(`x  ${'y'.repeat(100)}`);
  });

  it('takes the room from what another command shows in full', () => {
    const [id, error] = ['i'.repeat(36), 'the receiver answered 500'];
    expect(table(['ID', 'WHAT', 'ERROR'], [[id, 'w'.repeat(50), error]], 100)[1]).toBe(
      `${id}  ${'w'.repeat(34)}…  ${error}`,
    );
  });

  it('puts the last cell on a line of its own where there is too little room', () => {
    expect(
      table(
        ['ID', 'ERROR'],
        [
          ['i'.repeat(36), 'the receiver answered 500'],
          ['j'.repeat(36), null],
        ],
        50,
      ),
    ).toEqual([`ID${' '.repeat(36)}ERROR`, 'i'.repeat(36), '    the receiver answered 500', `${'j'.repeat(36)}  -`]);
  });

  it('has its headings where there are no rows', () => {
    expect(table(['A', 'B'], [], 80)).toEqual(['A  B']);
  });
});

describe('facts', () => {
  it('are never cut', () => {
    const ref = `sha256:${'AB'.repeat(32)}`;
    expect(
      facts([
        ['ref', ref],
        ['status', null],
      ]),
    ).toEqual([`  ref     ${ref}`, '  status  -']);
    expect(factsOf({ a_b: 1, c: null, d: 2 }, ['a_b', 'c'])).toEqual([['a b', 1]]);
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
