import type { Db } from './client.ts';
import { and, asc, desc, eq, getTableColumns, gt, gte, lt, type SQL, sql } from './drizzle.ts';
import { auditHead, auditLog } from './schema-access.ts';

/** Filters of the audit log; `since` (inclusive) and `until` (exclusive) are epoch milliseconds. */
export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly objectType?: string | undefined;
  readonly objectId?: string | undefined;
  readonly orgId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

const { prev_hash: _previous, ...kept } = getTableColumns(auditLog);
const columns = { ...kept, hash: sql<string>`encode(${auditLog.hash}, 'hex')` };

/** A row as callers see it; its hash in hex. */
export type AuditRow = Omit<typeof auditLog.$inferSelect, 'prev_hash' | 'hash'> & { readonly hash: string };

const conditions = (filter: AuditFilter): SQL[] => {
  const { actor, action, objectType, objectId, orgId, requestId, since, until } = filter;
  return [
    ...(actor === undefined ? [] : [eq(auditLog.actor, actor)]),
    ...(action === undefined ? [] : [eq(auditLog.action, action)]),
    ...(objectType === undefined ? [] : [eq(auditLog.object_type, objectType)]),
    ...(objectId === undefined ? [] : [eq(auditLog.object_id, objectId)]),
    ...(orgId === undefined ? [] : [eq(auditLog.org_id, orgId)]),
    ...(requestId === undefined ? [] : [eq(auditLog.request_id, requestId)]),
    ...(since === undefined ? [] : [gte(auditLog.at, new Date(since))]),
    ...(until === undefined ? [] : [lt(auditLog.at, new Date(until))]),
  ];
};

/** One page of a list, and the place to continue at, null on the last page. */
export interface AuditPage {
  readonly rows: AuditRow[];
  readonly next: number | null;
}

const pageOf = (found: AuditRow[], limit: number): AuditPage => {
  const rows = found.slice(0, limit);
  return { rows, next: found.length > limit ? (rows.at(-1)?.seq ?? null) : null };
};

/** One page of the audit log, newest first, below row `before` (null: from the end). */
export const listAudit = async (
  { orm }: Db,
  filter: AuditFilter,
  { limit, before }: { readonly limit: number; readonly before: number | null },
): Promise<AuditPage> => {
  const found = await orm
    .select(columns)
    .from(auditLog)
    .where(and(...conditions(filter), ...(before === null ? [] : [lt(auditLog.seq, before)])))
    .orderBy(desc(auditLog.seq))
    .limit(limit + 1);
  return pageOf(found, limit);
};

/** One page of the audit log, oldest first, above row `after` (null: from the beginning). */
export const readAuditUp = async (
  { orm }: Db,
  filter: AuditFilter,
  { limit, after }: { readonly limit: number; readonly after: number | null },
): Promise<AuditPage> => {
  const found = await orm
    .select(columns)
    .from(auditLog)
    .where(and(...conditions(filter), gt(auditLog.seq, after ?? 0)))
    .orderBy(asc(auditLog.seq))
    .limit(limit + 1);
  return pageOf(found, limit);
};

/**
 * How many rows the filter lets through; without one it is read off the end of the chain.
 *
 * @param most where rows have to be counted, at most so many are
 */
export const countAudit = async ({ orm }: Db, filter: AuditFilter, most?: number): Promise<number> => {
  const given = conditions(filter);
  if (given.length > 0 && most === undefined) return orm.$count(auditLog, and(...given));
  if (given.length > 0) {
    const found = orm
      .select({ seq: auditLog.seq })
      .from(auditLog)
      .where(and(...given))
      .limit(most ?? 0);
    return orm.$count(found);
  }
  const [head] = await orm.select({ seq: auditHead.seq }).from(auditHead);
  return head?.seq ?? 0;
};
