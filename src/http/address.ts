import { isIP } from 'node:net';
import type { Context } from 'hono';
import ipaddr from 'ipaddr.js';
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

const mostRemembered = 1000;

/** Of an address, which most requests have in common with many others, worked out once. */
const remembered = (work: (address: string) => string): ((address: string) => string) => {
  const known = new Map<string, string>();
  return (address) => {
    const found = known.get(address);
    if (found !== undefined) return found;
    if (known.size >= mostRemembered) known.clear();
    const made = work(address);
    known.set(address, made);
    return made;
  };
};

const canonical = remembered(canonicalAddress);

/** What a proxy noted of a caller, without the port that some add. */
const withoutPort = (hop: string): string =>
  /^\[(.*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;

/**
 * The address of the caller; null where there is no connection. Behind trusted proxies it is the last address of
 * X-Forwarded-For that is none of them: what stands before it could be written by anybody. Where that is no address, it is
 * the proxy's own.
 */
export const addressOf = (c: Context<HttpEnv>): string | null => {
  const peer = c.env?.incoming?.socket.remoteAddress;
  if (peer === undefined) return null;
  // Not c.var, which Hono makes anew at each look.
  const proxies = c.get('ctx').config.NOTAFTER_TRUSTED_PROXIES;
  if (proxies === undefined || !isProxy(proxies)(peer)) return canonical(peer);
  const hops = (headerOf(c, 'x-forwarded-for') ?? '').split(',').map((hop) => withoutPort(hop.trim()));
  const caller = hops.findLast((hop) => !isProxy(proxies)(hop)) ?? '';
  return canonical(isIP(caller) === 0 ? peer : caller);
};

const place = remembered((address) => {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6
    ? `${parsed.toNormalizedString().split(':').slice(0, 4).join(':')}::/64`
    : parsed.toString();
});

/** Where attempts come from: an IPv4 address, or the /64 of an IPv6 one, which is what one subscriber is given. */
export const placeOf = (address: string | null): string => (address === null ? 'unknown' : place(address));
