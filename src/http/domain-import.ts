import { type Context, Hono } from 'hono';
import { stream } from 'hono/streaming';
import * as v from 'valibot';
import { asUnavailable } from '../db/client.ts';
import { AppError } from '../errors.ts';
import { domainLine } from '../lifecycle/domain-input.ts';
import { noteChange } from './audited.ts';
import { importAnswer } from './domain-schema.ts';
import type { HttpEnv } from './env.ts';
import { type ImportReport, runImport, withProgress } from './import-run.ts';
import { bodyChunks } from './ndjson.ts';
import { route } from './route.ts';

const idleMs = 15_000;
const progressMs = 1000;
const ndjson = 'application/x-ndjson';

/** Chunks as they pass by, with how many bytes went by. */
const counted = (chunks: AsyncIterable<Uint8Array>) => {
  const seen = { bytes: 0 };
  const pass = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      seen.bytes += chunk.length;
      yield chunk;
    }
  };
  return { seen, chunks: pass() };
};

const note = async (c: Context<HttpEnv>, { imported, failed }: ImportReport, rest: object): Promise<void> => {
  if (imported === 0) return;
  const { ctx, actor } = c.var;
  const object = { type: 'domain', id: null };
  const after = { imported, failed, ...rest };
  await noteChange(c, ctx.db, { action: 'domain.import', object, orgId: actor.orgId, after });
};

/** Imports the body; one row of the audit log tells how much was written, also when a fault ended it. */
const run = async (c: Context<HttpEnv>, report: ImportReport): Promise<void> => {
  const { seen, chunks } = counted(bodyChunks(c, idleMs));
  let whole = false;
  try {
    try {
      await runImport(c, chunks, report);
      whole = true;
    } finally {
      await note(c, report, { bytes: seen.bytes, whole });
    }
  } catch (error) {
    throw withProgress(asUnavailable(error), report);
  }
};

const answer = (report: ImportReport) => ({ ok: true, ...report });

/** Answers at once and tells about every second how far the import is; the last line is the answer itself. */
const streamProgress = (c: Context<HttpEnv>) => {
  const report: ImportReport = { imported: 0, failed: 0, errors: [] };
  c.header('Content-Type', ndjson);
  return stream(c, async (out) => {
    const tell = (line: object) => out.writeln(JSON.stringify(line));
    const timer = setInterval(() => void tell({ imported: report.imported, failed: report.failed }), progressMs);
    try {
      await run(c, report);
      await tell(answer(report));
    } catch (error) {
      if (!(error instanceof AppError)) c.var.ctx.log.error({ err: error }, 'import failed');
      const message = error instanceof AppError ? error.message : 'The import failed through a fault of the server';
      await tell({ ...answer(report), ok: false, message });
    } finally {
      clearInterval(timer);
    }
  });
};

const importLines = async (c: Context<HttpEnv>) => {
  const encoding = c.req.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') throw new AppError('unsupported_media_type', 'Send the body without Content-Encoding');
  if (/\bapplication\/x-ndjson\b/.test(c.req.header('accept') ?? '')) return streamProgress(c);
  const report: ImportReport = { imported: 0, failed: 0, errors: [] };
  await run(c, report);
  return c.json(answer(report));
};

/** The lines of an answer that tells its progress. */
const progressLine = v.union([v.strictObject({ imported: v.number(), failed: v.number() }), importAnswer]);

const describeImport = (tag: string) =>
  route({
    summary: 'Import domains, one JSON object per line',
    tag,
    role: 'admin',
    scope: 'org',
    changes: 'domain.import',
    body: domainLine,
    bodyType: ndjson,
    answers: {
      200: {
        about: `Counts and the first failed lines; with Accept: ${ndjson}, progress before it`,
        schema: importAnswer,
        others: { [ndjson]: progressLine },
      },
    },
    errors: [408],
  });

/** Bulk import at both doors: as much as there is, in one go, with flat memory. */
export const importRoutes = () =>
  new Hono<HttpEnv>()
    .post('/v1/admin/domains/import', describeImport('Domains'), importLines)
    .post('/v1/domains/custom/import', describeImport('Custom domains'), importLines);
