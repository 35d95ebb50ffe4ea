const gap = '  ';
/** Most characters of a cell that is not the last; a fingerprint fits. */
export const widest = 72;
const indent = 4;
/** Room below which the last cell of a row gets a line of its own. */
const leastLast = 24;
/** Columns that say what another command says in full; they give way first, down to this width. */
const givesWay: Readonly<Record<string, number>> = { WHAT: 28 };

/** Text of a sender or a server as a terminal may show it: one line, no control characters. */
export const printable = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');
};

/** A number of things as the server gave it, with the word for them: `1 domain`, `8 domains`. */
export const counted = (n: unknown, one: string): string => `${printable(n)} ${n === 1 ? one : `${one}s`}`;

const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;

const widthsOf = (headings: readonly string[], lines: readonly (readonly string[])[], columns: number): number[] => {
  const widths = headings.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const capped = widths.map((width, index) => (index === widths.length - 1 ? width : Math.min(width, widest)));
  const over = (): number => capped.reduce((sum, width) => sum + width + gap.length, -gap.length) - columns;
  for (const [index, heading] of headings.entries()) {
    const [width, least] = [capped[index] ?? 0, givesWay[heading]];
    if (least !== undefined && index < headings.length - 1 && over() > 0) {
      capped[index] = Math.max(Math.min(width, least), width - over());
    }
  }
  return capped;
};

/**
 * Rows under their headings. A column is as wide as its widest cell, 72 at most, the last one as wide as there is room; no
 * line is wider than the terminal. Where the last cell of a row has too little room, it stands on a line below, indented.
 *
 * @param columns width of the terminal, in characters
 */
export const table = (
  headings: readonly string[],
  rows: readonly (readonly unknown[])[],
  columns: number,
): string[] => {
  const lines = [headings, ...rows.map((row) => row.map(printable))];
  const widths = widthsOf(headings, lines, columns);
  const last = headings.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + gap.length, 0);
  const isNarrow = columns - before < leastLast && columns >= indent + leastLast;
  return lines.flatMap((line) => {
    const cells = line.slice(0, last).map((cell, index) => cut(cell, widths[index] ?? 0).padEnd(widths[index] ?? 0));
    const end = line[last] ?? '';
    if (!isNarrow || end === '-' || end.length <= columns - before)
      return [cut([...cells, end].join(gap).trimEnd(), columns)];
    return [cut(cells.join(gap).trimEnd(), columns), cut(' '.repeat(indent) + end, columns)];
  });
};

/** Names and values, one a line under each other; a value is never cut, so that it can be copied. */
export const facts = (rows: readonly (readonly [name: string, value: unknown])[]): string[] => {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}${gap}${printable(value)}`);
};

/** Those of the named members of a row that are not null, under their names as people read them. */
export const factsOf = (
  row: Readonly<Record<string, unknown>>,
  names: readonly string[],
): (readonly [name: string, value: unknown])[] =>
  names.filter((name) => row[name] !== null).map((name) => [name.replaceAll('_', ' '), row[name]]);
