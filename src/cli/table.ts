const gap = '  ';
const widest = 60;

/** Text of a sender or a server as a terminal may show it: one line, no control characters. */
export const printable = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ');
};

const cut = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;

/**
 * Rows under their headings, one line each; a column is as wide as its widest cell, 60 at most, and no line is wider than
 * the terminal.
 *
 * @param columns width of the terminal, in characters
 */
export const table = (
  headings: readonly string[],
  rows: readonly (readonly unknown[])[],
  columns: number,
): string[] => {
  const lines = [headings, ...rows.map((row) => row.map((cell) => cut(printable(cell), widest)))];
  const widths = headings.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const last = headings.length - 1;
  return lines.map((line) => {
    const cells = line.map((cell, index) => (index === last ? cell : cell.padEnd(widths[index] ?? 0)));
    return cut(cells.join(gap).trimEnd(), columns);
  });
};
