import type { Context } from 'hono';
import type { Ctx } from '../context.ts';
import { asUnavailable } from '../db/client.ts';
import { AppError, messageOf } from '../errors.ts';
import type { HttpEnv } from './env.ts';
import { seldom } from './seldom.ts';

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

const everyMs = 10_000;

/** What began it: errors around it name the statement with its parameters. */
const rootOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? rootOf(error.cause) : error;

const speaking = new WeakMap<Ctx['log'], () => number | null>();

/**
 * Logs that a caller is told to come again because something of ours is away: at most one line in ten seconds, however many
 * they are, with the number of those since the line before.
 */
export const tellOfUnavailable = (ctx: Ctx, error: AppError): void => {
  if (error.code !== 'unavailable') return;
  const { log, now } = ctx;
  const speak = speaking.get(log) ?? seldom(everyMs, now);
  speaking.set(log, speak);
  const alsoSince = speak();
  if (alsoSince === null) return;
  const cause = error.cause === undefined ? {} : { cause: messageOf(rootOf(error.cause)) };
  log.warn({ why: error.message, ...cause, alsoSince }, 'a request is answered 503');
};

/** Answers anything thrown by a handler; what is not written for the caller is logged whole and answered without detail. */
export const onError = (thrown: unknown, c: Context<HttpEnv>): Response => {
  const error = asUnavailable(thrown);
  const { ctx, requestId } = c.var;
  if (error instanceof AppError) {
    tellOfUnavailable(ctx, error);
    return problemResponse(c, error);
  }
  ctx.log.error(
    { err: thrown, path: c.req.routePath, ...(requestId !== undefined && { requestId }) },
    'request failed',
  );
  return problemResponse(
    c,
    new AppError('internal', 'The request failed through a fault of the server; it is in the log'),
  );
};
