import { createMiddleware } from 'hono/factory';
import type { HttpEnv } from '../env.ts';

const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every page: nothing runs or loads but our own two files, nothing is kept, nothing is told to others. */
export const pageHeaders = createMiddleware<HttpEnv>(async (c, next) => {
  await next();
  // What is not ours under this path brings its own.
  if (c.res.headers.has('Content-Security-Policy')) return;
  c.header('Content-Security-Policy', policy);
  c.header('X-Content-Type-Options', 'nosniff');
  c.header('Referrer-Policy', 'same-origin');
  c.header('Cross-Origin-Opener-Policy', 'same-origin');
  c.header('Permissions-Policy', 'camera=(), geolocation=(), microphone=()');
  if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
});
