import { hash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import type { AdminToken } from '../config-rules.ts';
import type { Ctx } from '../context.ts';
import { findLiveToken, noteTokenUse } from '../db/access-tokens.ts';
import { AppError } from '../errors.ts';
import { addressOf, placeOf } from './address.ts';
import type { Actor, HttpEnv } from './env.ts';
import { type FailureLimits, failureLimits } from './failure-limits.ts';
import { headerOf } from './header.ts';

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/** Compares secrets of any length in time that tells nothing about where they differ. */
export const sameSecret = (expected: Buffer, presented: string): boolean =>
  timingSafeEqual(expected, digest(presented));

/** A secret as it is kept for comparison: its SHA-256. */
export const hashSecret = digest;

/** What every token made at run time begins with; no other is looked for in the database. */
export const tokenPrefix = 'nat_';

interface KnownToken extends Actor {
  readonly hash: Buffer;
}

const hashed = new WeakMap<readonly AdminToken[], readonly KnownToken[]>();

const knownTokens = (tokens: readonly AdminToken[]): readonly KnownToken[] => {
  const kept = hashed.get(tokens);
  if (kept !== undefined) return kept;
  const made = tokens.map(({ name, role, token }) => ({ name, role, orgId: null, hash: digest(token) }));
  hashed.set(tokens, made);
  return made;
};

/** The owner of a configured token, by its hash; every one is compared, so that the time taken does not tell which came near. */
export const configuredActor = (tokens: readonly AdminToken[], wanted: Buffer): Actor | null => {
  let found: Actor | null = null;
  for (const token of knownTokens(tokens)) {
    if (timingSafeEqual(token.hash, wanted)) found = { name: token.name, role: token.role, orgId: token.orgId };
  }
  return found;
};

/**
 * The owner of a token: of the configuration, or made at run time, not revoked and not expired. Looked up anew each time, so
 * that a revoked token lets nobody in from that moment on.
 */
export const ownerOf = async (c: Context<HttpEnv>, token: string): Promise<Actor | null> => {
  const { config, db, now } = c.var.ctx;
  const presented = digest(token);
  const configured = configuredActor(config.CERT_ADMIN_TOKENS ?? [], presented);
  if (configured !== null || !token.startsWith(tokenPrefix)) return configured;
  const made = await findLiveToken(db, presented, now());
  if (made === null) return null;
  await noteTokenUse(db, made, now());
  return { name: made.name, role: made.role, orgId: made.org_id };
};

const failuresPerMinute = 60;
const limits = new WeakMap<Ctx, FailureLimits>();

const limitsOf = (ctx: Ctx): FailureLimits => {
  const known = limits.get(ctx);
  if (known !== undefined) return known;
  const made = failureLimits(failuresPerMinute);
  limits.set(ctx, made);
  return made;
};

/**
 * Who presents `Authorization: Bearer`.
 *
 * @throws AppError `unauthorized` without a token that is valid now; `rate_limited` after many such from one address.
 */
export const authenticate = async (c: Context<HttpEnv>): Promise<Actor> => {
  const { ctx } = c.var;
  const failures = limitsOf(ctx);
  const address = placeOf(addressOf(c));
  if (failures.suspects(address)) await failures.assertAddress(address);
  const token = /^Bearer +(\S+)$/i.exec(headerOf(c, 'authorization') ?? '')?.[1];
  const actor = token === undefined ? null : await ownerOf(c, token);
  if (actor !== null) return actor;
  // Who presents nothing guesses nothing.
  if (token !== undefined) {
    ctx.metrics.logins.inc({ via: 'bearer', result: 'refused' });
    await failures.failed(address);
  }
  throw new AppError('unauthorized', 'A valid bearer token is required');
};
