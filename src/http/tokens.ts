import { randomBytes } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import * as v from 'valibot';
import { type AccessToken, hasLiveName, insertToken, isLive, listTokens, revokeToken } from '../db/access-tokens.ts';
import { AppError } from '../errors.ts';
import { includesRole, type Role, roles } from '../lifecycle/access.ts';
import { orgName } from '../lifecycle/domain-input.ts';
import { audited } from './audited.ts';
import { hashSecret, tokenPrefix } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { bodyTime, idOfCursor, pathId, remark, strictBody, strictQuery } from './filters.ts';
import { encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';

const tag = 'Access';
const dayMs = 86_400_000;
const daysRule = 'must be a whole number from 1 to 3650';
const nameRule = 'must have 1 to 80 letters, digits, blanks or . _ @ + -, and begin with a letter or digit';

/** What a new token is to be: whose, what it may do, and until when (epoch ms; null for no end). */
export const newToken = v.pipe(
  strictBody({
    name: v.pipe(v.string('must be a string'), v.trim(), v.regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@+-]{0,79}$/u, nameRule)),
    role: v.picklist(roles, `must be one of ${roles.join(', ')}`),
    orgId: v.optional(v.nullable(orgName), null),
    expiresAt: v.optional(v.nullable(bodyTime), null),
    days: v.optional(
      v.nullable(v.pipe(v.number(daysRule), v.integer(daysRule), v.minValue(1, daysRule), v.maxValue(3650, daysRule))),
      null,
    ),
  }),
  v.forward(
    v.partialCheck(
      [['expiresAt'], ['days']],
      ({ expiresAt, days }) => expiresAt === null || days === null,
      'must be left out where days is given',
    ),
    ['expiresAt'],
  ),
);

/** Whether a token still lets anybody in. */
export type TokenState = 'active' | 'expired' | 'revoked';

/** A token as lists show it; `token` itself is shown once, when it is made. */
export type ShownToken = AccessToken & { readonly state: TokenState };

/** A token with its state at a time (epoch ms). */
export const shownToken = (token: AccessToken, now: number): ShownToken => ({
  ...token,
  state: token.revoked_at !== null ? 'revoked' : isLive(token, now) ? 'active' : 'expired',
});

const make = (): string => {
  const [id, secret] = [randomBytes(6), randomBytes(32)].map((bytes) => bytes.toString('base64url'));
  return `${tokenPrefix}${id}_${secret}`;
};

const expiryOf = ({ expiresAt, days }: v.InferOutput<typeof newToken>, now: number): Date | null => {
  const at = days === null ? expiresAt : now + days * dayMs;
  if (at !== null && at <= now) throw new AppError('bad_request', 'expiresAt must be in the future');
  return at === null ? null : new Date(at);
};

/**
 * Makes a token; it is in the answer and nowhere else. An actor of one organisation makes tokens of that one only, and nobody
 * makes one above its own role.
 *
 * @throws AppError `forbidden`; `conflict` when a token of this name is in use; `bad_request` for a time that is past.
 */
export const createToken = async (
  c: Context<HttpEnv>,
  input: v.InferOutput<typeof newToken>,
): Promise<{ readonly token: string; readonly row: ShownToken }> => {
  const { ctx, actor } = c.var;
  const { name, role } = input;
  if (!includesRole(actor.role, role)) throw new AppError('forbidden', 'The new token would be above your own role');
  const orgId = orgOf(c, input.orgId ?? undefined) ?? null;
  const now = ctx.now();
  const expires_at = expiryOf(input, now);
  const token = make();
  const row = await audited(c, async (db) => {
    const configured = orgId === null && ctx.config.CERT_ADMIN_TOKENS?.some((one) => one.name === name) === true;
    if (configured || (await hasLiveName(db, { name, orgId, now })))
      throw new AppError('conflict', 'A token of this name is in use: revoke it first, or take another name');
    const made = await insertToken(db, {
      id: uuidv7({ msecs: now }),
      name,
      role,
      org_id: orgId,
      hash: hashSecret(token),
      created_at: new Date(now),
      created_by: actor.name,
      expires_at,
    });
    const after = { name, role, org_id: orgId, expires_at };
    return [made, { action: 'token.create', object: { type: 'token', id: made.id }, orgId, after }];
  });
  return { token, row: shownToken(row, now) };
};

/**
 * Revokes a token at once, and the sessions that were opened with it. `changed` is false where it was revoked before.
 *
 * @throws AppError `not_found`, also for a token of an organisation that the actor is not bound to.
 */
export const revoke = async (
  c: Context<HttpEnv>,
  { id, reason }: { readonly id: string; readonly reason: string | null },
): Promise<{ readonly changed: boolean; readonly row: ShownToken }> => {
  const { ctx, actor } = c.var;
  const now = ctx.now();
  return audited(c, async (db) => {
    const done = await revokeToken(db, { id, actor: actor.name, now, orgId: actor.orgId });
    if (done.kind === 'missing') throw new AppError('not_found', 'There is no token with this id');
    const { name, role, org_id: orgId } = done.token;
    const changed = done.kind === 'revoked';
    const object = { type: 'token', id };
    const before = { name, role, org_id: orgId };
    return [
      { changed, row: shownToken(done.token, now) },
      changed ? { action: 'token.revoke', object, orgId, before, reason } : null,
    ];
  });
};

/** A page of the tokens that the caller may see, and the names of those that the configuration holds. */
export const tokensFor = async (
  c: Context<HttpEnv>,
  page: { readonly limit: number; readonly before: string | null },
) => {
  const { ctx, actor } = c.var;
  const { tokens, next } = await listTokens(ctx.db, orgOf(c, undefined), page);
  const configured: { readonly name: string; readonly role: Role }[] =
    actor.orgId === null ? (ctx.config.CERT_ADMIN_TOKENS ?? []).map(({ name, role }) => ({ name, role })) : [];
  return { tokens: tokens.map((token) => shownToken(token, ctx.now())), configured, next };
};

const at = v.nullable(v.pipe(v.string(), v.isoTimestamp()));
const tokenRow = v.strictObject({
  id: v.pipe(v.string(), v.uuid()),
  name: v.string(),
  role: v.picklist(roles),
  org_id: v.nullable(v.string()),
  created_at: v.pipe(v.string(), v.isoTimestamp()),
  created_by: v.string(),
  expires_at: at,
  last_used_at: at,
  revoked_at: at,
  revoked_by: v.nullable(v.string()),
  state: v.picklist(['active', 'expired', 'revoked']),
});

const listQuery = strictQuery({ limit: queryLimit(500, 200), cursor: v.optional(v.string()) });
const revokeBody = strictBody({ reason: remark });

const describeList = route({
  summary: 'Access tokens, newest first; never the tokens themselves',
  tag,
  role: 'admin',
  scope: 'org',
  query: listQuery,
  answers: {
    200: {
      about: 'A page of tokens, and those that the configuration names',
      schema: v.strictObject({
        tokens: v.array(tokenRow),
        configured: v.array(v.strictObject({ name: v.string(), role: v.picklist(roles) })),
        nextCursor: v.nullable(v.string()),
      }),
    },
  },
});
const describeCreate = route({
  summary: 'Make an access token; it is shown in this answer only',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'token.create',
  body: newToken,
  answers: {
    201: {
      about: 'Made',
      schema: v.strictObject({ ok: v.literal(true), token: v.string(), accessToken: tokenRow }),
    },
  },
  errors: [409],
});
const describeRevoke = route({
  summary: 'Revoke an access token, from this moment on',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'token.revoke',
  path: { id: 'Id of the token' },
  body: revokeBody,
  answers: {
    200: {
      about: 'Revoked; a repeat changes nothing and says so',
      schema: v.strictObject({
        ok: v.literal(true),
        accessToken: tokenRow,
        alreadyRevoked: v.optional(v.literal(true)),
      }),
    },
  },
  errors: [404],
});

/** Access tokens: made, listed and revoked by admins. */
export const tokenRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/tokens', describeList, async (c) => {
      const { limit, cursor } = readQuery(c, listQuery);
      const { next, ...found } = await tokensFor(c, { limit, before: idOfCursor(cursor) });
      return c.json({ ...found, nextCursor: next === null ? null : encodeCursor(next) });
    })
    .post('/v1/admin/tokens', describeCreate, async (c) => {
      const { token, row } = await createToken(c, await readJson(c, newToken));
      c.header('Cache-Control', 'no-store');
      return c.json({ ok: true, token, accessToken: row }, 201);
    })
    .post('/v1/admin/tokens/:id/revoke', describeRevoke, async (c) => {
      const { changed, row } = await revoke(c, { id: pathId(c), ...(await readJson(c, revokeBody)) });
      return c.json({ ok: true, accessToken: row, ...(!changed && { alreadyRevoked: true }) });
    });
