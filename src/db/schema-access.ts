import type { Role } from '../lifecycle/access.ts';
import {
  bigint,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from './drizzle.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/**
 * Who changed what, when and why; rows are only ever added. `seq`, `prev_hash` and `hash` are set by a trigger: each row's
 * hash covers its own fields and the hash before it, so that no row can be changed, removed or reordered unseen.
 */
export const auditLog = pgTable(
  'audit_log',
  {
    seq: bigint('seq', { mode: 'number' }).primaryKey(),
    at: at('at').notNull(),
    actor: text('actor').notNull(),
    actor_kind: text('actor_kind').$type<ActorKind>().notNull(),
    role: text('role').$type<Role>(),
    action: text('action').notNull(),
    object_type: text('object_type').notNull(),
    object_id: text('object_id'),
    org_id: text('org_id'),
    before: jsonb('before'),
    after: jsonb('after'),
    reason: text('reason'),
    request_id: text('request_id'),
    address: text('address'),
    prev_hash: bytea('prev_hash').notNull(),
    hash: bytea('hash').notNull(),
  },
  (t) => [
    index('audit_log_actor').on(t.actor, t.seq),
    index('audit_log_action').on(t.action, t.seq),
    index('audit_log_object').on(t.object_type, t.object_id, t.seq),
    index('audit_log_org').on(t.org_id, t.seq),
    index('audit_log_at').on(t.at),
  ],
);

/** A person with a token or a login, a policy that acts by itself, or the program. */
export type ActorKind = 'person' | 'policy' | 'system';

/** The end of the chain; one row, and the lock that puts writers in order. */
export const auditHead = pgTable('audit_head', {
  id: smallint('id').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  hash: bytea('hash').notNull(),
});

/** Signed statements of how far the chain went and what its hash was then; the key is not in the database. */
export const auditCheckpoints = pgTable('audit_checkpoints', {
  seq: bigint('seq', { mode: 'number' }).primaryKey(),
  hash: bytea('hash').notNull(),
  at: at('at').notNull(),
  signature: bytea('signature').notNull(),
});

/** Tokens made at run time; those of the configuration are not here. Only the SHA-256 of a token is kept. */
export const accessTokens = pgTable(
  'access_tokens',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    role: text('role').$type<Role>().notNull(),
    /** The one organisation it sees and changes; null for all. */
    org_id: text('org_id'),
    hash: bytea('hash').notNull(),
    created_at: at('created_at').notNull(),
    created_by: text('created_by').notNull(),
    expires_at: at('expires_at'),
    last_used_at: at('last_used_at'),
    revoked_at: at('revoked_at'),
    revoked_by: text('revoked_by'),
  },
  (t) => [uniqueIndex('access_tokens_hash').on(t.hash), index('access_tokens_org').on(t.org_id)],
);

/** Signed-in browsers. The cookie's value is not kept, only its SHA-256. */
export const consoleSessions = pgTable(
  'console_sessions',
  {
    hash: bytea('hash').primaryKey(),
    id: uuid('id').notNull(),
    actor: text('actor').notNull(),
    role: text('role').$type<Role>().notNull(),
    org_id: text('org_id'),
    via: text('via').$type<'token' | 'oidc'>().notNull(),
    /** SHA-256 of the token it was opened with: it ends with the token. */
    token_hash: bytea('token_hash'),
    address: text('address'),
    user_agent: text('user_agent'),
    created_at: at('created_at').notNull(),
    last_seen_at: at('last_seen_at').notNull(),
    expires_at: at('expires_at').notNull(),
    revoked_at: at('revoked_at'),
  },
  (t) => [uniqueIndex('console_sessions_id').on(t.id), index('console_sessions_expiry').on(t.expires_at)],
);

/** How often somebody tried to sign in, by address and by account, until when (epoch ms) that counts. */
export const accessAttempts = pgTable('access_attempts', {
  key: text('key').primaryKey(),
  points: integer('points').notNull().default(0),
  expire: bigint('expire', { mode: 'number' }),
});
