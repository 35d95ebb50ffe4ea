import type { Db } from './client.ts';
import { and, desc, eq, getTableColumns, isNull, lt, type SQL, sql } from './drizzle.ts';
import { accessTokens, consoleSessions } from './schema-access.ts';

const { hash: _hash, ...columns } = getTableColumns(accessTokens);

/** A token as callers see it: all but its hash. */
export type AccessToken = Omit<typeof accessTokens.$inferSelect, 'hash'>;

/** Adds a token; only the SHA-256 of it is kept. */
export const insertToken = async (
  { orm }: Pick<Db, 'orm'>,
  token: typeof accessTokens.$inferInsert,
): Promise<AccessToken> => {
  const [row] = await orm.insert(accessTokens).values(token).returning(columns);
  if (row === undefined) throw new Error('an insert returned no row');
  return row;
};

/** Whether a token lets anybody in at this time (epoch ms). */
export const isLive = (
  { revoked_at, expires_at }: Pick<AccessToken, 'revoked_at' | 'expires_at'>,
  now: number,
): boolean => revoked_at === null && (expires_at === null || expires_at.getTime() > now);

/** The live token of this hash; null when there is none, or it is revoked or expired. */
export const findLiveToken = async ({ orm }: Db, hash: Buffer, now: number): Promise<AccessToken | null> => {
  const [row] = await orm.select(columns).from(accessTokens).where(eq(accessTokens.hash, hash));
  return row !== undefined && isLive(row, now) ? row : null;
};

/** A token by its id, whatever its state; null when there is none. */
export const findToken = async ({ orm }: Db, id: string): Promise<AccessToken | null> => {
  const [row] = await orm.select(columns).from(accessTokens).where(eq(accessTokens.id, id));
  return row ?? null;
};

/** Notes that a token was used, at most once in `everyMs`. */
export const noteTokenUse = async (
  { orm }: Db,
  { id, last_used_at }: AccessToken,
  now: number,
  everyMs = 60_000,
): Promise<void> => {
  if (last_used_at !== null && now - last_used_at.getTime() < everyMs) return;
  await orm
    .update(accessTokens)
    .set({ last_used_at: new Date(now) })
    .where(eq(accessTokens.id, id));
};

/** One page of tokens, the newest first; of one organisation where it is given. `before` is the id that the page starts below. */
export const listTokens = async (
  { orm }: Db,
  orgId: string | undefined,
  { limit, before }: { readonly limit: number; readonly before: string | null },
): Promise<{ tokens: AccessToken[]; next: string | null }> => {
  const rows = await orm
    .select(columns)
    .from(accessTokens)
    .where(
      and(
        orgId === undefined ? undefined : eq(accessTokens.org_id, orgId),
        before === null ? undefined : lt(accessTokens.id, before),
      ),
    )
    .orderBy(desc(accessTokens.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return { tokens: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

/** Whether a live token of this organisation has this name. */
export const hasLiveName = async (
  { orm }: Pick<Db, 'orm'>,
  { name, orgId, now }: { readonly name: string; readonly orgId: string | null; readonly now: number },
): Promise<boolean> => {
  const same = await orm
    .select(columns)
    .from(accessTokens)
    .where(
      and(
        eq(accessTokens.name, name),
        orgId === null ? isNull(accessTokens.org_id) : eq(accessTokens.org_id, orgId),
        isNull(accessTokens.revoked_at),
      ),
    );
  return same.some((token) => isLive(token, now));
};

/** `unchanged`: it was revoked before. */
export type Revoked =
  | { readonly kind: 'revoked' | 'unchanged'; readonly token: AccessToken }
  | { readonly kind: 'missing' };

/**
 * Revokes a token and ends the sessions that were opened with it; of two who do so at once the first is recorded.
 *
 * @param orgId the one organisation whose tokens there are for the caller; null for all
 */
export const revokeToken = async (
  { orm }: Pick<Db, 'orm'>,
  { id, actor, now, orgId }: { id: string; actor: string; now: number; orgId: string | null },
): Promise<Revoked> => {
  const named: SQL | undefined = and(
    eq(accessTokens.id, id),
    orgId === null ? undefined : eq(accessTokens.org_id, orgId),
  );
  const [token] = await orm
    .update(accessTokens)
    .set({ revoked_at: new Date(now), revoked_by: actor })
    .where(and(named, isNull(accessTokens.revoked_at)))
    .returning(columns);
  if (token !== undefined) {
    const same = sql`${consoleSessions.token_hash} = (select hash from ${accessTokens} where id = ${id})`;
    await orm
      .update(consoleSessions)
      .set({ revoked_at: new Date(now) })
      .where(and(same, isNull(consoleSessions.revoked_at)));
    return { kind: 'revoked', token };
  }
  const [present] = await orm.select(columns).from(accessTokens).where(named);
  return present === undefined ? { kind: 'missing' } : { kind: 'unchanged', token: present };
};
