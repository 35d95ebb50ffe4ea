import type { Context } from 'hono';
import type { Config } from '../config.ts';
import type { HttpEnv } from './env.ts';

/** The path that a proxy puts in front of ours, without a slash at its end; empty when there is none. */
export const basePath = ({ NOTAFTER_PUBLIC_URL: url }: Pick<Config, 'NOTAFTER_PUBLIC_URL'>): string =>
  url === undefined ? '' : new URL(url).pathname.replace(/\/+$/, '');

/** A path of this server as a browser has to ask for it; every link and redirect of the console is made with this. */
export const linkTo = (c: Context<HttpEnv>, path: string): string => basePath(c.var.ctx.config) + path;

/** The path that a request is routed by: without the prefix of the proxy, whether that left it in front or took it off. */
export const routedPath = (path: string, prefix: string): string => {
  if (prefix === '' || !path.startsWith(prefix)) return path;
  const rest = path.slice(prefix.length);
  return rest === '' ? '/' : rest.startsWith('/') ? rest : path;
};

const nowhere = 'http://console.invalid';

/** Where to go after signing in: a path of the console, without the prefix; its front page where anything else is asked for. */
export const consolePath = (asked: string | undefined, prefix: string): string => {
  const url = asked?.startsWith('/') === true ? URL.parse(asked, nowhere) : null;
  if (url === null || url.origin !== nowhere) return '/console';
  const path = routedPath(url.pathname, prefix);
  // A path that begins with two slashes leads to another host.
  return /^\/console(?:\/(?!\/)|$)/.test(path) ? path + url.search : '/console';
};
