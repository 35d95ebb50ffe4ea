import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';

const reads = new Set(['GET', 'HEAD', 'OPTIONS']);

const originOf = (text: string | undefined): string | null => {
  const origin = text === undefined ? null : (URL.parse(text)?.origin ?? null);
  return origin === 'null' ? null : origin;
};

/** The origins under which this server's own pages are reached: the public one, and whatever name the browser asked for. */
const ownOrigins = (c: Context<HttpEnv>): (string | null)[] => {
  const host = headerOf(c, 'host') ?? URL.parse(c.req.url)?.host;
  return [
    originOf(c.var.ctx.config.NOTAFTER_PUBLIC_URL),
    // Whether a proxy in front of us speaks TLS is not known here.
    ...(host === undefined ? [] : [originOf(`http://${host}`), originOf(`https://${host}`)]),
  ];
};

/**
 * Refuses changes that a page of somebody else asks a signed-in browser for: Origin, or Referer where a browser left Origin
 * out, must be our own, and Sec-Fetch-Site, where it is sent, must agree.
 *
 * @throws AppError `forbidden`
 */
export const assertSameOrigin = (c: Context<HttpEnv>): void => {
  if (reads.has(c.req.method)) return;
  const site = headerOf(c, 'sec-fetch-site');
  const from = originOf(headerOf(c, 'origin') ?? headerOf(c, 'referer'));
  const siteAgrees = site === undefined || site === 'same-origin' || site === 'none';
  if (siteAgrees && from !== null && ownOrigins(c).includes(from)) return;
  throw new AppError('forbidden', 'This change was not asked for by a page of this console');
};
