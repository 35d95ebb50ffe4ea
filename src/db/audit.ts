import type { Role } from '../lifecycle/access.ts';
import type { AuditAction } from '../lifecycle/audit.ts';
import type { Db } from './client.ts';
import type { ActorKind } from './schema-access.ts';

/** One change: who did what to which object, when (epoch ms), from where and why. `before` and `after` hold no secret. */
export interface AuditEntry {
  readonly at: number;
  readonly actor: string;
  readonly actorKind: ActorKind;
  readonly role: Role | null;
  readonly action: AuditAction;
  readonly objectType: string;
  readonly objectId: string | null;
  readonly orgId: string | null;
  readonly before: unknown;
  readonly after: unknown;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly address: string | null;
}

// What jsonb refuses: NUL, and halves of surrogate pairs. A backslash in front of a backslash only spells one.
const unstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][\da-f]{2})/g;

const json = (value: unknown): string | null =>
  value === undefined || value === null ? null : JSON.stringify(value).replaceAll(unstorable, '$1');

/**
 * Adds a row to the audit log in the caller's transaction, the one that makes the change. Rows are numbered in the order
 * of their commits: keep what follows in the transaction short.
 */
export const writeAudit = async ({ sql }: Pick<Db, 'sql'>, entry: AuditEntry): Promise<void> => {
  await sql`
    insert into audit_log (at, actor, actor_kind, role, action, object_type, object_id, org_id, before, after, reason, request_id, address)
    values (to_timestamp(${entry.at} / 1000.0), ${entry.actor}, ${entry.actorKind}, ${entry.role}, ${entry.action}, ${entry.objectType},
      ${entry.objectId}, ${entry.orgId}, ${json(entry.before)}::text::jsonb, ${json(entry.after)}::text::jsonb, ${entry.reason},
      ${entry.requestId}, ${entry.address})`;
};
