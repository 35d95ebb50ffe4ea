import type { Context } from 'hono';
import { asUnavailable } from '../db/client.ts';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';

/** An RFC 9457 problem that also carries `message`, as the predecessor's clients expect. */
export const problemResponse = (c: Context<HttpEnv>, error: AppError): Response => {
  const body = {
    type: 'about:blank',
    title: error.title,
    status: error.status,
    detail: error.message,
    message: error.message,
  };
  if (error.retryAfterSeconds !== undefined) c.header('Retry-After', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') c.header('WWW-Authenticate', 'Bearer');
  c.header('Content-Type', 'application/problem+json');
  return c.body(JSON.stringify(body), error.status);
};

/** Answers anything thrown by a handler; what is not written for the caller is logged whole and answered without detail. */
export const onError = (thrown: unknown, c: Context<HttpEnv>): Response => {
  const error = asUnavailable(thrown);
  if (error instanceof AppError) return problemResponse(c, error);
  const { ctx, requestId } = c.var;
  ctx.log.error(
    { err: thrown, path: c.req.routePath, ...(requestId !== undefined && { requestId }) },
    'request failed',
  );
  return problemResponse(
    c,
    new AppError('internal', 'The request failed through a fault of the server; it is in the log'),
  );
};
