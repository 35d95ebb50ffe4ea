import { type Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import * as v from 'valibot';
import { AppError } from '../errors.ts';
import { basePath, consolePath } from './base-path.ts';
import { ContinuePage } from './console/pages/continue.tsx';
import type { HttpEnv } from './env.ts';
import { type Attempt, beginAttempt } from './login-limits.ts';
import { answerLoginPage, letIn, noteRefusal, welcomePath } from './login.ts';
import { grantOf, groupsOf, nameOf } from './oidc-grant.ts';
import { beginFlow, callbackPath, finishFlow, SignInRefused } from './oidc.ts';
import { openToAll } from './rules.ts';

const flowCookie = 'notafter-login';
const flowSeconds = 600;
// Lax, because the browser comes back from another site; the session's own cookie is Strict.
const cookie = { prefix: 'host', path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const;

const text = v.pipe(v.string(), v.minLength(20), v.maxLength(200));
const kept = v.object({ state: text, nonce: text, verifier: text, next: v.string() });

const unreadable = (): null => null;

/** What this browser was sent away with; null when it was not, or too long ago. */
const flowOf = (c: Context<HttpEnv>): v.InferOutput<typeof kept> | null => {
  const value = getCookie(c, flowCookie, 'host');
  if (value === undefined) return null;
  try {
    const read = v.safeParse(kept, JSON.parse(Buffer.from(value, 'base64url').toString('utf8')));
    return read.success ? read.output : null;
  } catch {
    return unreadable();
  }
};

/** Answers what can go wrong at the provider with the login page, where tokens still work. */
const failed = async (c: Context<HttpEnv>, error: unknown, next: string | undefined) => {
  const asked = next === undefined ? {} : { next };
  if (error instanceof SignInRefused) {
    await noteRefusal(c, 'oidc', error.message);
    return answerLoginPage(c, { status: 401, error: 'The sign-in was not confirmed: try again.', ...asked });
  }
  if (!(error instanceof AppError)) throw error;
  if (error.code !== 'unavailable' && error.code !== 'rate_limited') throw error;
  if (error.retryAfterSeconds !== undefined) c.header('Retry-After', String(error.retryAfterSeconds));
  const limited = error.code === 'rate_limited';
  if (limited) c.var.ctx.metrics.logins.inc({ via: 'oidc', result: 'limited' });
  return answerLoginPage(c, {
    status: limited ? 429 : 503,
    error: limited ? `${error.message}.` : `${error.message}: try again, or sign in with a token.`,
    ...asked,
  });
};

const begin = async (c: Context<HttpEnv>) => {
  const { ctx } = c.var;
  const next = consolePath(c.req.query('next'), basePath(ctx.config));
  try {
    const { url, flow } = await beginFlow(ctx);
    const value = Buffer.from(JSON.stringify({ ...flow, next })).toString('base64url');
    setCookie(c, flowCookie, value, { ...cookie, maxAge: flowSeconds });
    return c.redirect(url.href, 303);
  } catch (error) {
    return failed(c, error, next);
  }
};

/** Lets in whom the provider vouches for, where a group of theirs has a role. */
const admit = async (c: Context<HttpEnv>, flow: v.InferOutput<typeof kept>, attempt: Attempt) => {
  const { ctx } = c.var;
  const {
    NOTAFTER_OIDC_GROUPS_CLAIM: claim,
    NOTAFTER_OIDC_ROLES: rules = [],
    NOTAFTER_OIDC_ISSUER: issuer,
  } = ctx.config;
  const claims = await finishFlow(ctx, new URL(c.req.url).search, flow);
  const grant = grantOf(groupsOf(claims, claim), rules);
  const name = nameOf(claims, issuer ?? '');
  if (grant === null) {
    await noteRefusal(c, 'oidc', `No group of ${name} has a role`);
    const error = `You are known as ${name}, but none of your groups may use this console: ask an administrator.`;
    return answerLoginPage(c, { status: 403, error, next: flow.next });
  }
  await attempt.forgiven();
  await letIn(c, { name, ...grant }, { via: 'oidc' });
  // A redirect from here would still count as one from the provider's site, and the Strict cookie would stay behind.
  return c.html(ContinuePage({ to: welcomePath(c, flow.next) }));
};

const comeBack = async (c: Context<HttpEnv>) => {
  const flow = flowOf(c);
  setCookie(c, flowCookie, '', { ...cookie, maxAge: 0 });
  c.header('Cache-Control', 'no-store');
  if (flow === null) {
    const error = 'This sign-in was not begun in this browser, or took too long: try again.';
    return answerLoginPage(c, { status: 401, error });
  }
  const next = consolePath(flow.next, '');
  try {
    const attempt = await beginAttempt(c, null);
    return await admit(c, { ...flow, next }, attempt).catch(async (error: unknown) => {
      // Nobody guessed anything: the provider, or our own database, is away.
      if (error instanceof AppError && error.code === 'unavailable') await attempt.forgiven();
      throw error;
    });
  } catch (error) {
    return failed(c, error, next);
  }
};

/** Signing in at an OpenID Connect provider, with code and PKCE. */
export const oidcRoutes = () =>
  new Hono<HttpEnv>()
    .get('/console/login/oidc', openToAll(begin, 'It is where people sign in'))
    .get(callbackPath, openToAll(comeBack, 'It is where people sign in', ['session.open', 'session.refuse']));
