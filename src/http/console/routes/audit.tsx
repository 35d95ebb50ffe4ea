import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { auditHashAt, lastCheckpoints, readAuditHead } from '../../../db/audit-checkpoints.ts';
import { countAudit, listAudit } from '../../../db/audit-reads.ts';
import { walkAudit } from '../../../db/audit-walk.ts';
import { checkAudit } from '../../audit-check.ts';
import { auditFilters } from '../../audit-filter.ts';
import { exportAudit, narrowed, placeOf } from '../../audit.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, strictQuery } from '../../filters.ts';
import { encodeCursor } from '../../input.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { answerPage } from '../page.tsx';
import { AuditCheckPage } from '../pages/audit-check.tsx';
import { AuditPage, type ChainState } from '../pages/audit.tsx';
import { readFilters } from '../query.ts';
import { filterTime, momentOf } from '../times.ts';

const size = 50;
const mostCounted = 10_001;
// So many rows are checked within a few milliseconds.
const mostChecked = 2000;

const query = strictQuery({
  ...auditFilters,
  since: v.optional(filterTime),
  until: v.optional(filterTime),
  cursor: v.optional(filterText(200)),
});

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, since, until, ...given } = readFilters(c, query);
  const now = c.var.ctx.now();
  const filter = narrowed(c, { ...given, since: momentOf(since, now), until: momentOf(until, now) });
  return { cursor, filter };
};

const trustOf = ({ var: { ctx } }: Context<HttpEnv>) => ({
  secrets: ctx.config.CERT_AUDIT_SIGNING_SECRET ?? [],
  kept: [],
  now: ctx.now(),
});

const chainOf = async (c: Context<HttpEnv>): Promise<ChainState> => {
  const { db } = c.var.ctx;
  const [[signed], head] = await Promise.all([lastCheckpoints(db, 1), readAuditHead(db)]);
  const rows = head?.seq ?? 0;
  const plain = { rows, signed: signed ?? null, checked: null, problem: null };
  if (signed === undefined || rows - signed.seq > mostChecked) return plain;
  if ((await auditHashAt(db, signed.seq)) !== signed.hash)
    return { ...plain, problem: `Row ${signed.seq} is not the one that was signed.` };
  const { ok, problem } = await walkAudit(db, { ...trustOf(c), from: { seq: signed.seq, hash: signed.hash } });
  return { ...plain, checked: rows - signed.seq, problem: ok ? null : (problem?.message ?? 'A row does not fit.') };
};

const list = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const { cursor, filter } = askedOf(c);
  const [found, total, chain] = await Promise.all([
    listAudit(db, filter, { limit: size, before: placeOf(cursor) }),
    countAudit(db, filter, mostCounted),
    c.var.actor.orgId === null ? attempt(c, 'the chain of the audit log', chainOf(c)) : null,
  ]);
  const { rows } = found;
  const next = found.next === null ? null : encodeCursor(String(found.next));
  const title = chain !== null && chain.problem !== null ? 'The audit log does not fit together' : 'Audit';
  // Without a filter the end of the chain tells how many there are, however many.
  const most = Object.values(filter).every((value) => value === undefined) ? Infinity : mostCounted;
  return answerPage(c, { title }, <AuditPage {...{ rows, next, size, total, most, chain }} />);
};

const checkAll = async (c: Context<HttpEnv>) => {
  const { ctx } = c.var;
  readFilters(c, strictQuery({}));
  const begun = ctx.now();
  const report = await checkAudit(ctx, trustOf(c));
  return answerPage(
    c,
    { title: report.ok ? 'The audit log fits together' : 'The audit log does not fit together' },
    <AuditCheckPage {...report} tookMs={ctx.now() - begun} />,
  );
};

const reader = { role: 'operator', scope: 'org' } as const;
const exporter = page({ ...reader, changes: 'list.export' });

/** The audit log: the list, its exports, and a check of the whole chain. */
export const auditPages = () =>
  new Hono<HttpEnv>()
    .get('/console/audit', page(reader), list)
    .get('/console/audit-check', page({ role: 'operator', scope: 'all' }), checkAll)
    .get('/console/audit.csv', exporter, (c) => exportAudit(c, askedOf(c).filter, 'csv'))
    .get('/console/audit.ndjson', exporter, (c) => exportAudit(c, askedOf(c).filter, 'ndjson'));
