import type { Context } from 'hono';
import type { HttpEnv } from './env.ts';

/**
 * A request header by its lower-case name. Node has them parsed already; going through the Request would build a Headers
 * object of all of them for every request.
 */
export const headerOf = (c: Context<HttpEnv>, name: string): string | undefined => {
  const headers = c.env?.incoming?.headers;
  if (headers === undefined) return c.req.header(name);
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
};
