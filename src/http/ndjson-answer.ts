import type { Context } from 'hono';
import { noteChange } from './audited.ts';
import type { CsvPage } from './console/csv.ts';
import type { HttpEnv } from './env.ts';

interface Export<Row, Cursor> {
  /** Name of the list and of the file. */
  readonly name: string;
  /** Reads one page; called again with its `next` until that is null. */
  readonly read: (cursor: Cursor | null) => Promise<CsvPage<Row, Cursor>>;
}

/**
 * Answers with a list as one JSON object a line, page by page as the reader takes it; a fault in the middle breaks the
 * connection, so that no part is taken for the whole. The export is audited with the filters it had.
 */
export const ndjsonAnswer = async <Row, Cursor>(c: Context<HttpEnv>, { name, read }: Export<Row, Cursor>) => {
  const { ctx, actor } = c.var;
  const object = { type: name, id: null };
  await noteChange(c, ctx.db, { action: 'list.export', object, orgId: actor.orgId, after: c.req.query() });
  const encoder = new TextEncoder();
  let cursor: Cursor | null = null;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { rows, next } = await read(cursor);
      if (rows.length > 0) controller.enqueue(encoder.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join('')));
      cursor = next;
      if (next === null) controller.close();
    },
  });
  return c.body(body, 200, {
    'Content-Type': 'application/x-ndjson',
    'Content-Disposition': `attachment; filename="${name}.ndjson"`,
  });
};
