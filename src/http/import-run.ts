import { isUtf8 } from 'node:buffer';
import type { Context } from 'hono';
import * as v from 'valibot';
import type { Ctx } from '../context.ts';
import { importDomains } from '../db/domain-import.ts';
import { retrying } from '../db/retry.ts';
import { AppError } from '../errors.ts';
import { domainLine, type DomainPatch } from '../lifecycle/domain-input.ts';
import { clockOf } from './domains.ts';
import type { HttpEnv } from './env.ts';
import { type Line, linesOf } from './ndjson.ts';
import { resumeWaiting } from './registration.ts';
import { otherOrg } from './scope.ts';

const lineLimit = 64 * 1024;
// Larger batches gain nothing and hold their locks longer.
const batchLines = 2000;
const mostErrors = 100;
const longestMessage = 300;

/** What an import has done so far; every failed line counts, the first hundred are told. */
export interface ImportReport {
  imported: number;
  failed: number;
  readonly errors: { readonly line: number; readonly message: string }[];
}

type Parsed = { readonly domain: string; readonly patch: DomainPatch } | { readonly problem: string } | null;

const parseJson = (bytes: Buffer): unknown => {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
};

const bom = Buffer.from([0xef, 0xbb, 0xbf]);
const withoutBom = (bytes: Buffer): Buffer => (bytes.subarray(0, 3).equals(bom) ? bytes.subarray(3) : bytes);

const isBlank = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);

/** One line; null for a blank one. */
const parseLine = ({ number, bytes }: Line): Parsed => {
  if (bytes === null) return { problem: `The line is longer than ${lineLimit} bytes` };
  const own = number === 1 ? withoutBom(bytes) : bytes;
  if (own[0] !== 0x7b && isBlank(own)) return null;
  const json = parseJson(own);
  if (json === undefined) return { problem: 'The line is not valid JSON in UTF-8' };
  const result = v.safeParse(domainLine, Array.isArray(json) ? null : json, { abortPipeEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    return { problem: `${v.getDotPath(issue) ?? 'The line'} ${issue.message}`.slice(-longestMessage) };
  }
  const { domain, ...patch } = result.output;
  return { domain, patch };
};

/** Lines that are written together. A name that comes again has the later line's fields on top of the earlier one's. */
interface Batch {
  readonly patches: Map<string, DomainPatch>;
  readonly lines: { readonly number: number; readonly domain: string }[];
}

const emptyBatch = (): Batch => ({ patches: new Map(), lines: [] });

const fail = (report: ImportReport, line: number, message: string): void => {
  report.failed += 1;
  if (report.errors.length < mostErrors) report.errors.push({ line, message });
};

const take = (report: ImportReport, batch: Batch, line: Line, orgId: string | null): void => {
  const parsed = parseLine(line);
  if (parsed === null) return;
  if ('problem' in parsed) {
    fail(report, line.number, parsed.problem);
    return;
  }
  const { domain, patch } = parsed;
  if (orgId !== null && (patch.orgId ?? orgId) !== orgId) {
    fail(report, line.number, otherOrg);
    return;
  }
  const own = orgId === null ? patch : { ...patch, orgId };
  batch.patches.set(domain, { ...batch.patches.get(domain), ...own });
  batch.lines.push({ number: line.number, domain });
};

/** Writes batches one after the other, each while the next is being read. */
const batchWriter = (ctx: Ctx, report: ImportReport, orgId: string | null) => {
  let queueTakes = true;
  const write = async ({ patches, lines }: Batch): Promise<void> => {
    if (lines.length === 0) return;
    const { created, refused } = await retrying(() => importDomains(ctx.db, patches, clockOf(ctx), orgId));
    for (const { number, domain } of lines) {
      const why = refused.get(domain);
      if (why === undefined) report.imported += 1;
      else fail(report, number, why);
    }
    // One wait for a queue that is away is enough for a whole import.
    if (!(await resumeWaiting(ctx, created, { enqueue: queueTakes }))) queueTakes = false;
  };
  let last: Promise<Error | null> = Promise.resolve(null);
  const settle = async (): Promise<void> => {
    const fault = await last;
    if (fault !== null) throw fault;
  };
  return {
    settle,
    add: async (batch: Batch): Promise<void> => {
      await settle();
      last = write(batch).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
      );
    },
  };
};

/**
 * Imports the lines of a body into `report`, which is kept up to date meanwhile. What was written before a fault stays.
 *
 * @throws AppError from reading the body, or the fault of the database that ended it.
 */
export const runImport = async (
  c: Context<HttpEnv>,
  chunks: AsyncIterable<Uint8Array>,
  report: ImportReport,
): Promise<void> => {
  const { ctx, actor } = c.var;
  const writer = batchWriter(ctx, report, actor.orgId);
  let batch = emptyBatch();
  try {
    for await (const lines of linesOf(chunks, lineLimit)) {
      for (const line of lines) {
        take(report, batch, line, actor.orgId);
        if (batch.lines.length < batchLines) continue;
        await writer.add(batch);
        batch = emptyBatch();
      }
    }
    await writer.add(batch);
  } finally {
    await writer.settle();
  }
};

/** The same fault for the caller, with how far the import came. */
export const withProgress = (error: unknown, { imported }: ImportReport): unknown =>
  error instanceof AppError
    ? new AppError(error.code, `${error.message}; ${imported} lines were imported before`, { cause: error })
    : error;
