import type { Db } from './client.ts';
import { and, desc, eq, getTableColumns, gt, isNotNull, isNull, lt, type SQL, sql } from './drizzle.ts';
import { accessTokens, consoleSessions } from './schema-access.ts';

const { hash: _hash, token_hash: _token, ...shown } = getTableColumns(consoleSessions);

/** A signed-in browser as callers see it: without the hashes of its cookie and its token. */
export type SessionRow = Omit<typeof consoleSessions.$inferSelect, 'hash' | 'token_hash'>;

/** A session, and what became of the token that it was opened with. */
export interface FoundSession extends SessionRow {
  readonly token_hash: Buffer | null;
  /** The token's row; null when the session was opened otherwise, or with a token of the configuration. */
  readonly token: Pick<
    typeof accessTokens.$inferSelect,
    'id' | 'name' | 'role' | 'org_id' | 'expires_at' | 'revoked_at'
  > | null;
}

/** Adds a session, and removes those that ended more than a week ago. */
export const insertSession = async (
  { orm }: Pick<Db, 'orm'>,
  session: typeof consoleSessions.$inferInsert,
): Promise<void> => {
  const weekAgo = new Date(session.created_at.getTime() - 7 * 86_400_000);
  await orm.delete(consoleSessions).where(lt(consoleSessions.expires_at, weekAgo));
  await orm.insert(consoleSessions).values(session);
};

/** The session of a cookie's hash, whatever its state. */
export const findSession = async ({ orm }: Db, hash: Buffer): Promise<FoundSession | null> => {
  const { id, name, role, org_id, expires_at, revoked_at } = accessTokens;
  const [row] = await orm
    .select({
      ...shown,
      token_hash: consoleSessions.token_hash,
      token: { id, name, role, org_id, expires_at, revoked_at },
    })
    .from(consoleSessions)
    .leftJoin(accessTokens, eq(accessTokens.hash, consoleSessions.token_hash))
    .where(eq(consoleSessions.hash, hash));
  return row ?? null;
};

/** Notes that a session was used. */
export const touchSession = async ({ orm }: Db, id: string, now: number): Promise<void> => {
  await orm
    .update(consoleSessions)
    .set({ last_seen_at: new Date(now) })
    .where(eq(consoleSessions.id, id));
};

const mostAddresses = 10_000;

/** Where people signed in with tokens, in sessions that go on or ended within a week. */
export const tokenAddresses = async ({ orm }: Db): Promise<string[]> => {
  const { address, via } = consoleSessions;
  const rows = await orm
    .selectDistinct({ address })
    .from(consoleSessions)
    .where(and(eq(via, 'token'), isNotNull(address)))
    .limit(mostAddresses);
  return rows.flatMap((row) => row.address ?? []);
};

/** Which live sessions: one, those of one actor, those of an organisation; what is left out does not narrow. */
export interface SessionFilter {
  readonly id?: string | undefined;
  readonly actor?: string | undefined;
  readonly via?: 'token' | 'oidc' | undefined;
  /** null: only those that see all organisations. */
  readonly orgId?: string | null | undefined;
}

/** The end of the idle time: sessions seen last before this are over (epoch ms). */
interface At {
  readonly now: number;
  readonly idleMs: number;
}

const live = ({ id, actor, via, orgId }: SessionFilter, { now, idleMs }: At): SQL | undefined =>
  and(
    isNull(consoleSessions.revoked_at),
    gt(consoleSessions.expires_at, new Date(now)),
    gt(consoleSessions.last_seen_at, new Date(now - idleMs)),
    id === undefined ? undefined : eq(consoleSessions.id, id),
    actor === undefined ? undefined : eq(consoleSessions.actor, actor),
    via === undefined ? undefined : eq(consoleSessions.via, via),
    orgId === undefined
      ? undefined
      : orgId === null
        ? isNull(consoleSessions.org_id)
        : eq(consoleSessions.org_id, orgId),
  );

const mostSessions = 500;

/** Sessions that are not over, the newest first; at most 500. */
export const listSessions = ({ orm }: Db, filter: SessionFilter, at: At): Promise<SessionRow[]> =>
  orm
    .select(shown)
    .from(consoleSessions)
    .where(live(filter, at))
    .orderBy(desc(consoleSessions.created_at), desc(consoleSessions.id))
    .limit(mostSessions);

/** Ends sessions that are not over yet. @returns those that this call ended. */
export const endSessions = ({ orm }: Pick<Db, 'orm'>, filter: SessionFilter, at: At): Promise<SessionRow[]> =>
  orm
    .update(consoleSessions)
    .set({ revoked_at: sql`to_timestamp(${at.now} / 1000.0)` })
    .where(live(filter, at))
    .returning(shown);
