import type { Context } from 'hono';
import { noteChange } from '../audited.ts';
import type { HttpEnv } from '../env.ts';

type Value = string | number | boolean | Date | null | undefined;

export interface CsvColumn<Row> {
  readonly name: string;
  readonly value: (row: Row) => Value;
}

/** One page of a list, and what reads the next one; null on the last page. */
export interface CsvPage<Row, Cursor> {
  readonly rows: readonly Row[];
  readonly next: Cursor | null;
}

interface Export<Row, Cursor> {
  /** Name of the list and of the file: `domains`. */
  readonly name: string;
  readonly columns: readonly CsvColumn<Row>[];
  /** Reads one page; called again with its `next` until that is null. */
  readonly read: (cursor: Cursor | null) => Promise<CsvPage<Row, Cursor>>;
}

// A cell that begins like this is a formula to a spreadsheet; some take wide signs for the plain ones.
const formula = /^[=+\-@\t\r\n＝＋－＠]/;

/** One cell (RFC 4180); text that a spreadsheet would run as a formula gets an apostrophe in front. */
export const csvCell = (value: Value): string => {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'string') return String(value);
  const text = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const line = (cells: readonly string[]): string => `${cells.join(',')}\r\n`;

const bytesOf = <Row, Cursor>({ columns, read }: Export<Row, Cursor>): ReadableStream<Uint8Array> => {
  const encoder = new TextEncoder();
  let cursor: Cursor | null = null;
  let begun = false;
  return new ReadableStream({
    pull: async (controller) => {
      if (!begun) controller.enqueue(encoder.encode(line(columns.map(({ name }) => csvCell(name)))));
      begun = true;
      const { rows, next } = await read(cursor);
      const text = rows.map((row) => line(columns.map(({ value }) => csvCell(value(row))))).join('');
      if (text !== '') controller.enqueue(encoder.encode(text));
      cursor = next;
      if (next === null) controller.close();
    },
  });
};

/** Answers with a list as CSV, page by page as the reader takes it. The export is audited with the filters it had. */
export const csvAnswer = async <Row, Cursor>(c: Context<HttpEnv>, list: Export<Row, Cursor>) => {
  const { ctx, actor } = c.var;
  await noteChange(c, ctx.db, {
    action: 'list.export',
    object: { type: list.name, id: null },
    orgId: actor.orgId,
    after: c.req.query(),
  });
  return c.body(bytesOf(list), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${list.name}.csv"`,
  });
};
