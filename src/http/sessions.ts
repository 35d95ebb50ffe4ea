import { randomBytes } from 'node:crypto';
import type { Context } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { createMiddleware } from 'hono/factory';
import { v7 as uuidv7 } from 'uuid';
import { isLive } from '../db/access-tokens.ts';
import { inTransaction } from '../db/in-transaction.ts';
import {
  endSessions,
  findSession,
  type FoundSession,
  insertSession,
  type SessionFilter,
  type SessionRow,
  touchSession,
} from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { addressOf } from './address.ts';
import { audited, noteChange } from './audited.ts';
import { configuredActor, hashSecret } from './auth.ts';
import { basePath, consolePath, linkTo, routedPath } from './base-path.ts';
import type { Actor, HttpEnv, Session } from './env.ts';
import { headerOf } from './header.ts';
import { assertMay, type Demand, withRule } from './rules.ts';
import { assertSameOrigin } from './same-origin.ts';

const cookieName = 'notafter';
const cookie = { prefix: 'host', path: '/', secure: true, httpOnly: true, sameSite: 'Strict' } as const;
const longestAgent = 300;

/** When sessions that nobody uses are over. */
export const idleMsOf = (c: Context<HttpEnv>): number => c.var.ctx.config.NOTAFTER_SESSION_IDLE_MINUTES * 60_000;

/** How somebody signed in: with a token, by its hash, or at the identity provider. */
export type SignIn = { readonly via: 'token'; readonly tokenHash: Buffer } | { readonly via: 'oidc' };

/** Opens a session for an actor and gives its cookie to the browser. Audited. */
export const openSession = async (c: Context<HttpEnv>, actor: Actor, signIn: SignIn): Promise<void> => {
  const { config, now } = c.var.ctx;
  const secret = randomBytes(32).toString('base64url');
  const at = now();
  const expiresAt = at + config.NOTAFTER_SESSION_MAX_HOURS * 3_600_000;
  const id = uuidv7({ msecs: at });
  c.set('actor', actor);
  await audited(c, async (db) => {
    await insertSession(db, {
      hash: hashSecret(secret),
      id,
      actor: actor.name,
      role: actor.role,
      org_id: actor.orgId,
      via: signIn.via,
      token_hash: signIn.via === 'token' ? signIn.tokenHash : null,
      address: addressOf(c),
      user_agent: headerOf(c, 'user-agent')?.slice(0, longestAgent) ?? null,
      created_at: new Date(at),
      last_seen_at: new Date(at),
      expires_at: new Date(expiresAt),
    });
    return [
      undefined,
      { action: 'session.open', object: { type: 'session', id }, orgId: actor.orgId, after: { via: signIn.via } },
    ];
  });
  setCookie(c, cookieName, secret, cookie);
};

/** Whom a session stands for now; null when what it was opened with lets nobody in any more. */
const actorOfSession = (c: Context<HttpEnv>, found: FoundSession): Actor | null => {
  const { config, now } = c.var.ctx;
  if (found.via === 'oidc') {
    return config.NOTAFTER_OIDC_ISSUER === undefined
      ? null
      : { name: found.actor, role: found.role, orgId: found.org_id };
  }
  const { token, token_hash } = found;
  if (token !== null) return isLive(token, now()) ? { name: token.name, role: token.role, orgId: token.org_id } : null;
  return token_hash === null ? null : configuredActor(config.CERT_ADMIN_TOKENS ?? [], token_hash);
};

const isOver = (c: Context<HttpEnv>, { revoked_at, expires_at, last_seen_at }: FoundSession): boolean => {
  const now = c.var.ctx.now();
  return revoked_at !== null || expires_at.getTime() <= now || last_seen_at.getTime() <= now - idleMsOf(c);
};

/** Who is signed in, and in which session. */
export interface SignedIn {
  readonly actor: Actor;
  readonly session: Session;
}

/**
 * Who is signed in with the cookie of this request; null when nobody is. Looked up anew each time, so that an end is at once.
 *
 * @param touch false not to count as use of the session, for streams that ask whether they may go on
 */
export const signedIn = async (c: Context<HttpEnv>, { touch = true } = {}): Promise<SignedIn | null> => {
  const secret = getCookie(c, cookieName, 'host');
  if (secret === undefined || secret === '') return null;
  const { db, now } = c.var.ctx;
  const found = await findSession(db, hashSecret(secret));
  if (found === null || isOver(c, found)) return null;
  const actor = actorOfSession(c, found);
  if (actor === null) return null;
  // Rarely enough to cost nothing, often enough for the shortest idle time.
  const every = Math.min(60_000, idleMsOf(c) / 10);
  if (touch && now() - found.last_seen_at.getTime() >= every) await touchSession(db, found.id, now());
  return { actor, session: { id: found.id, via: found.via, expiresAt: found.expires_at.getTime() } };
};

/** Whether the session that a page was given to is still open and may still see it; for streams that outlast a request. */
export const stillSignedIn = async (c: Context<HttpEnv>): Promise<boolean> => {
  const now = await signedIn(c, { touch: false });
  const { actor } = c.var;
  return now !== null && now.actor.role === actor.role && now.actor.orgId === actor.orgId;
};

/** Ends live sessions, each with its row in the audit log. @returns those that this call ended. */
export const closeSessions = (c: Context<HttpEnv>, filter: SessionFilter): Promise<SessionRow[]> =>
  inTransaction(c.var.ctx.db, async (db) => {
    const ended = await endSessions(db, filter, { now: c.var.ctx.now(), idleMs: idleMsOf(c) });
    for (const { id, actor, org_id: orgId } of ended)
      await noteChange(c, db, { action: 'session.end', object: { type: 'session', id }, orgId, before: { actor } });
    return ended;
  });

/** Ends the session of this request, or every one of whoever is signed in, and takes the cookie back. Audited. */
export const signOff = async (c: Context<HttpEnv>, { everywhere }: { readonly everywhere: boolean }): Promise<void> => {
  const { actor, session } = c.var;
  if (session === undefined) throw new AppError('unauthorized', 'Sign in to the console');
  const own = { actor: actor.name, via: session.via, orgId: actor.orgId };
  await closeSessions(c, everywhere ? own : { id: session.id });
  setCookie(c, cookieName, '', { ...cookie, maxAge: 0 });
};

/** The page that a browser came from, where it was one of ours. */
const cameFrom = (c: Context<HttpEnv>): string | undefined => {
  const url = URL.parse(headerOf(c, 'referer') ?? '');
  return url === null ? undefined : url.pathname + url.search;
};

/** A browser is led to the login page, and back afterwards; anybody else is told 401. */
const askToSignIn = (c: Context<HttpEnv>): Response => {
  if (!(headerOf(c, 'accept') ?? '').includes('text/html'))
    throw new AppError('unauthorized', 'Sign in to the console');
  const prefix = basePath(c.var.ctx.config);
  const { pathname, search } = new URL(c.req.url);
  const asked = c.req.method === 'GET' ? routedPath(pathname, prefix) + search : cameFrom(c);
  const next = consolePath(asked, prefix);
  return c.redirect(linkTo(c, `/console/login${next === '/console' ? '' : `?next=${encodeURIComponent(next)}`}`), 303);
};

/**
 * What stands before everything in the console but its login page: a session of at least this role, and for changes a
 * request by one of our own pages. Sets `actor` and `session`.
 */
export const page = (demand: Demand) =>
  withRule(
    createMiddleware<HttpEnv>(async (c, next) => {
      const found = await signedIn(c);
      if (found === null) return askToSignIn(c);
      assertSameOrigin(c);
      // Known before the demand is checked: a refusal is a page then, too.
      c.set('actor', found.actor);
      c.set('session', found.session);
      assertMay(found.actor, demand);
      return next();
    }),
    { door: 'session', ...demand },
  );
