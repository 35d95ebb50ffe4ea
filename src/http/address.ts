import { isIP } from 'node:net';
import type { Context } from 'hono';
import { canonicalAddress, cidrMatcher } from '../net/address-guard.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';

type Matcher = ReturnType<typeof cidrMatcher>;

const matchers = new WeakMap<readonly string[], Matcher>();

const isProxy = (cidrs: readonly string[]): Matcher => {
  const known = matchers.get(cidrs);
  if (known !== undefined) return known;
  const made = cidrMatcher(cidrs);
  matchers.set(cidrs, made);
  return made;
};

/**
 * The address of the caller; null where there is no connection. Behind trusted proxies it is the last address of
 * X-Forwarded-For that is none of them: what stands before it could be written by anybody.
 */
export const addressOf = (c: Context<HttpEnv>): string | null => {
  const peer = c.env?.incoming?.socket.remoteAddress;
  if (peer === undefined) return null;
  const proxies = c.var.ctx.config.NOTAFTER_TRUSTED_PROXIES;
  if (proxies === undefined || !isProxy(proxies)(peer)) return canonicalAddress(peer);
  const hops = (headerOf(c, 'x-forwarded-for') ?? '').split(',').map((hop) => hop.trim());
  const caller = hops.findLast((hop) => isIP(hop) !== 0 && !isProxy(proxies)(hop));
  return canonicalAddress(caller ?? peer);
};
