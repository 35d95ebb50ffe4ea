import { type Context, Hono } from 'hono';
import { stream } from 'hono/streaming';
import * as v from 'valibot';
import { lastCheckpoints, readAuditHead } from '../db/audit-checkpoints.ts';
import { type AuditFilter, type AuditRow, countAudit, listAudit, readAuditUp } from '../db/audit-reads.ts';
import type { ChainEnd } from '../lifecycle/audit-chain.ts';
import { auditList, auditRow, checkpointAnswer, verifyAnswer } from './audit-answers.ts';
import { checkAudit } from './audit-check.ts';
import { auditFilters } from './audit-filter.ts';
import { csvAnswer, type CsvColumn } from './console/csv.ts';
import type { HttpEnv } from './env.ts';
import { filterText, strictQuery } from './filters.ts';
import { check, decodeCursor, encodeCursor, queryLimit, readQuery } from './input.ts';
import { ndjsonAnswer } from './ndjson-answer.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';

const tag = 'Audit';
const exportPage = 1000;
const progressMs = 1000;
const ndjson = 'application/x-ndjson';

const listQuery = strictQuery({ ...auditFilters, limit: queryLimit(500, 200), cursor: v.optional(filterText(200)) });
const exportQuery = strictQuery({
  ...auditFilters,
  format: v.picklist(['ndjson', 'csv'], 'must be ndjson or csv'),
});
const keptRule = 'must be of the form seq:hash, the hash as 64 hex digits';
const verifyQuery = strictQuery({
  checkpoint: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}:[0-9a-f]{64}$/, keptRule),
      v.transform((text): ChainEnd => ({ seq: Number(text.split(':')[0]), hash: text.slice(-64) })),
    ),
  ),
});
const noQuery = strictQuery({});

const listRoute = {
  summary: 'The audit log, newest first',
  tag,
  role: 'operator',
  scope: 'org',
  query: listQuery,
  answers: { 200: { about: 'A page, and how many rows the filters let through', schema: auditList } },
} as const;

const exportRoute = {
  summary: 'Export the audit log, oldest first, as NDJSON or CSV',
  tag,
  role: 'operator',
  scope: 'org',
  changes: 'list.export',
  query: exportQuery,
  answers: {
    200: {
      about: 'Every row that the filters let through',
      schema: auditRow,
      type: ndjson,
      others: { 'text/csv': v.string() },
    },
  },
} as const;

/** The lines of a check that tells its progress. */
const progressLine = v.union([
  v.strictObject({ rows: v.number() }),
  verifyAnswer,
  v.strictObject({ message: v.string() }),
]);

const verifyRoute = {
  summary: 'Check the chain of the whole audit log',
  tag,
  role: 'operator',
  scope: 'all',
  query: verifyQuery,
  answers: {
    200: {
      about: `What was found; with Accept: ${ndjson}, progress before it`,
      schema: verifyAnswer,
      others: { [ndjson]: progressLine },
    },
  },
  errors: [429],
  problems: { 429: 'As many checks as may are under way; Retry-After says when to come again' },
} as const;

const checkpointRoute = {
  summary: 'The last signed checkpoint of the audit log, to be kept elsewhere',
  tag,
  role: 'operator',
  scope: 'all',
  query: noQuery,
  answers: {
    200: { about: 'The checkpoint, null before the first, and where the log ends', schema: checkpointAnswer },
  },
} as const;

const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
const plain = ['seq', 'at', 'actor', 'actor_kind', 'role', 'action', 'object_type', 'object_id', 'org_id'] as const;
const asItIs = <N extends keyof AuditRow>(name: N) => ({ name, value: (row: AuditRow): AuditRow[N] => row[name] });
const columns: readonly CsvColumn<AuditRow>[] = [
  ...plain.map(asItIs),
  { name: 'before', value: (row) => json(row.before) },
  { name: 'after', value: (row) => json(row.after) },
  ...(['reason', 'request_id', 'address', 'hash'] as const).map(asItIs),
];

/** The row that a cursor stands for; null without one. */
export const placeOf = (cursor: string | undefined): number | null => {
  if (cursor === undefined) return null;
  const rule = v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'is not one that this list gave out'));
  return Number(check(v.strictObject({ cursor: rule }), { cursor: decodeCursor(cursor, 1)[0] }).cursor);
};

/** The filters, narrowed to the caller's own organisation where it has one. */
export const narrowed = (c: Context<HttpEnv>, filter: AuditFilter): AuditFilter => {
  const orgId = orgOf(c, filter.orgId);
  return orgId === undefined ? filter : { ...filter, orgId };
};

const list = async (c: Context<HttpEnv>) => {
  const { limit, cursor, ...given } = readQuery(c, listQuery);
  const filter = narrowed(c, given);
  const { db } = c.var.ctx;
  const [page, total] = await Promise.all([
    listAudit(db, filter, { limit, before: placeOf(cursor) }),
    countAudit(db, filter),
  ]);
  const nextCursor = page.next === null ? null : encodeCursor(String(page.next));
  return c.json({ entries: page.rows, nextCursor, stats: { total } });
};

/** Answers with every row that a filter lets through, oldest first. The filter is the caller's own organisation's already. */
export const exportAudit = (c: Context<HttpEnv>, filter: AuditFilter, format: 'ndjson' | 'csv') => {
  const read = (after: number | null) => readAuditUp(c.var.ctx.db, filter, { limit: exportPage, after });
  return format === 'csv'
    ? csvAnswer(c, { name: 'audit', columns, read })
    : ndjsonAnswer<AuditRow, number>(c, { name: 'audit', read });
};

const exportRows = (c: Context<HttpEnv>) => {
  const { format, ...given } = readQuery(c, exportQuery);
  return exportAudit(c, narrowed(c, given), format);
};

const verify = (c: Context<HttpEnv>) => {
  const { ctx } = c.var;
  const { checkpoint } = readQuery(c, verifyQuery);
  const kept = checkpoint === undefined ? [] : [checkpoint];
  const trust = { secrets: ctx.config.CERT_AUDIT_SIGNING_SECRET ?? [], kept, now: ctx.now() };
  if (!(c.req.header('accept') ?? '').includes(ndjson)) return checkAudit(ctx, trust).then((report) => c.json(report));
  let seen = 0;
  const report = checkAudit(ctx, { ...trust, onProgress: (rows) => void (seen = rows) });
  c.header('Content-Type', ndjson);
  return stream(c, async (out) => {
    const tell = (line: object) => out.writeln(JSON.stringify(line));
    const timer = setInterval(() => void tell({ rows: seen }), progressMs);
    try {
      await tell(await report);
    } catch (error) {
      ctx.log.error({ err: error }, 'the audit log could not be checked');
      await tell({ message: 'The log could not be checked through a fault of the server' });
    } finally {
      clearInterval(timer);
    }
  });
};

const checkpoint = async (c: Context<HttpEnv>) => {
  readQuery(c, noQuery);
  const { db, config } = c.var.ctx;
  const [head, [last]] = [await readAuditHead(db), await lastCheckpoints(db, 1)];
  return c.json({ signing: config.CERT_AUDIT_SIGNING_SECRET !== undefined, checkpoint: last ?? null, head });
};

/** Reading, exporting and checking the audit log; nothing here changes it. */
export const auditRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/audit', route(listRoute), list)
    .get('/v1/admin/audit/export', route(exportRoute), exportRows)
    .get('/v1/admin/audit/verify', route(verifyRoute), verify)
    .get('/v1/admin/audit/checkpoint', route(checkpointRoute), checkpoint);
