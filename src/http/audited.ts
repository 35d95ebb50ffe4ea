import type { Context } from 'hono';
import { writeAudit } from '../db/audit.ts';
import type { Db } from '../db/client.ts';
import { inTransaction } from '../db/in-transaction.ts';
import type { AuditAction } from '../lifecycle/audit.ts';
import { addressOf } from './address.ts';
import type { HttpEnv } from './env.ts';

/** What a request changed, for the audit log. */
export interface Change {
  readonly action: AuditAction;
  readonly object: { readonly type: string; readonly id: string | null };
  readonly orgId: string | null;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly reason?: string | null;
}

/** Adds what the caller did to the audit log, in the transaction that `db` belongs to. */
export const noteChange = async (c: Context<HttpEnv>, db: Db, change: Change): Promise<void> => {
  const { ctx, actor, requestId } = c.var;
  await writeAudit(db, {
    at: ctx.now(),
    actor: actor.name,
    actorKind: 'person',
    role: actor.role,
    action: change.action,
    objectType: change.object.type,
    objectId: change.object.id,
    orgId: change.orgId,
    before: change.before ?? null,
    after: change.after ?? null,
    reason: change.reason ?? null,
    requestId: requestId ?? null,
    address: addressOf(c),
  });
};

/**
 * Makes a change and its audit row in one transaction: neither is there without the other. The work resolves to its result
 * and to the change, or null where nothing changed.
 */
export const audited = <T>(
  c: Context<HttpEnv>,
  work: (db: Db) => Promise<readonly [result: T, change: Change | null]>,
): Promise<T> =>
  inTransaction(c.var.ctx.db, async (db) => {
    const [result, change] = await work(db);
    if (change !== null) await noteChange(c, db, change);
    return result;
  });
