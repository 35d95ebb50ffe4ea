import { hash, timingSafeEqual } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { AdminToken } from '../config-rules.ts';
import { AppError } from '../errors.ts';
import { includesRole, type Role } from '../lifecycle/access.ts';
import type { Actor, HttpEnv } from './env.ts';
import { headerOf } from './header.ts';

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/** Compares secrets of any length in time that tells nothing about where they differ. */
export const sameSecret = (expected: Buffer, presented: string): boolean =>
  timingSafeEqual(expected, digest(presented));

/** A secret as it is kept for comparison: its SHA-256. */
export const hashSecret = digest;

export interface KnownToken extends Actor {
  readonly hash: Buffer;
}

export const knownTokens = (tokens: readonly AdminToken[]): readonly KnownToken[] =>
  tokens.map(({ name, role, token }) => ({ name, role, orgId: null, hash: digest(token) }));

/** The token's owner; every known token is compared, so that the time taken does not tell which one came near. */
export const actorOf = (tokens: readonly KnownToken[], presented: string): Actor | null => {
  const wanted = digest(presented);
  let found: Actor | null = null;
  for (const token of tokens) {
    if (timingSafeEqual(token.hash, wanted)) found = { name: token.name, role: token.role, orgId: token.orgId };
  }
  return found;
};

/** Demands `Authorization: Bearer` with a token of at least this role (viewer < operator < admin): 401 without one, 403 below it. */
export const requireRole = (role: Role) => {
  let tokens: readonly KnownToken[] | null = null;
  return createMiddleware<HttpEnv>(async (c, next) => {
    tokens ??= knownTokens(c.var.ctx.config.CERT_ADMIN_TOKENS ?? []);
    const match = /^Bearer +(\S+)$/i.exec(headerOf(c, 'authorization') ?? '');
    const actor = match?.[1] === undefined ? null : actorOf(tokens, match[1]);
    if (actor === null) throw new AppError('unauthorized', 'A valid bearer token is required');
    if (!includesRole(actor.role, role)) throw new AppError('forbidden', `This needs the role ${role}`);
    c.set('actor', actor);
    await next();
  });
};
