import { type Context, Hono } from 'hono';
import { writeAudit } from '../db/audit.ts';
import { AppError } from '../errors.ts';
import { addressOf } from './address.ts';
import { hashSecret, ownerOf } from './auth.ts';
import { basePath, consolePath, linkTo } from './base-path.ts';
import { LoginPage, type LoginProps } from './console/pages/login.tsx';
import type { Actor, HttpEnv } from './env.ts';
import { readForm } from './form.ts';
import { beginAttempt, mayNote } from './login-limits.ts';
import { openToAll } from './rules.ts';
import { assertSameOrigin } from './same-origin.ts';
import { openSession, page, signedIn, type SignIn, signOff } from './sessions.ts';

type Status = 200 | 401 | 403 | 429 | 503;

/** Answers with the login page; `next` is vetted here. */
export const answerLoginPage = (
  c: Context<HttpEnv>,
  { status = 200, error = null, notice = null, next }: Partial<LoginProps> & { readonly status?: Status },
) => {
  const { config } = c.var.ctx;
  const base = basePath(config);
  const oidc = config.NOTAFTER_OIDC_ISSUER !== undefined;
  c.header('Cache-Control', 'no-store');
  return c.html(LoginPage({ base, error, notice, oidc, next: consolePath(next, base) }), status);
};

/** Notes in the audit log that somebody was not let in, a bounded number of times; never with what was presented. */
export const noteRefusal = async (c: Context<HttpEnv>, via: SignIn['via'], why: string): Promise<void> => {
  const { db, metrics, now } = c.var.ctx;
  metrics.logins.inc({ via, result: 'refused' });
  if (!(await mayNote(c))) return;
  await writeAudit(db, {
    at: now(),
    actor: 'unknown',
    actorKind: 'person',
    role: null,
    action: 'session.refuse',
    objectType: 'session',
    objectId: null,
    orgId: null,
    before: null,
    after: { via },
    reason: why,
    requestId: c.var.requestId ?? null,
    address: addressOf(c),
  });
};

/** Where a browser goes once it has its cookie; there it turns out whether it kept it. */
export const welcomePath = (c: Context<HttpEnv>, next: string): string =>
  linkTo(c, `/console/login?kept=1&next=${encodeURIComponent(next)}`);

/** Lets an actor in: opens the session and counts it. */
export const letIn = async (c: Context<HttpEnv>, actor: Actor, signIn: SignIn): Promise<void> => {
  await openSession(c, actor, signIn);
  c.var.ctx.metrics.logins.inc({ via: signIn.via, result: 'opened' });
};

const noCookie =
  'You are signed in, but the browser did not keep the cookie: open the console over HTTPS, or at http://localhost on this host.';

const show = async (c: Context<HttpEnv>) => {
  const next = consolePath(c.req.query('next'), basePath(c.var.ctx.config));
  if ((await signedIn(c)) !== null) return c.redirect(linkTo(c, next), 303);
  const error = c.req.query('kept') === '1' ? noCookie : null;
  const notice = c.req.query('out') === '1' ? 'You are signed out.' : null;
  return answerLoginPage(c, { error, notice, next });
};

/** A refusal by the limits or the database, as a page. */
const refusedAs = (c: Context<HttpEnv>, error: AppError, next: string) => {
  c.var.ctx.metrics.logins.inc({ via: 'token', result: 'limited' });
  const seconds = error.retryAfterSeconds ?? 1;
  c.header('Retry-After', String(seconds));
  const minutes = Math.ceil(seconds / 60);
  const wait = seconds < 60 ? `${seconds} seconds` : `${minutes} minute${minutes === 1 ? '' : 's'}`;
  return answerLoginPage(c, { status: 429, error: `Too many attempts to sign in: try again in ${wait}.`, next });
};

const signIn = async (c: Context<HttpEnv>) => {
  assertSameOrigin(c);
  const form = await readForm(c);
  const token = form.get('token')?.trim() ?? '';
  const next = consolePath(form.get('next') ?? undefined, basePath(c.var.ctx.config));
  const attempt = await beginAttempt(c, token).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'rate_limited') return error;
    throw error;
  });
  if (attempt instanceof AppError) return refusedAs(c, attempt, next);
  const actor = await ownerOf(c, token);
  if (actor === null) {
    await noteRefusal(c, 'token', 'The token is not known, or not valid any more');
    return answerLoginPage(c, { status: 401, error: 'This token is not valid.', next });
  }
  await attempt.forgiven();
  await letIn(c, actor, { via: 'token', tokenHash: hashSecret(token) });
  return c.redirect(welcomePath(c, next), 303);
};

const signOut = async (c: Context<HttpEnv>) => {
  const form = await readForm(c);
  await signOff(c, { everywhere: form.get('everywhere') === '1' });
  return c.redirect(linkTo(c, '/console/login?out=1'), 303);
};

/** Signing in to the console with a token, and out of it. `everywhere=1` ends every session of the same actor. */
export const loginRoutes = () =>
  new Hono<HttpEnv>()
    .get('/console/login', openToAll(show, 'It is where people sign in'))
    .post('/console/login', openToAll(signIn, 'It is how people sign in', ['session.open', 'session.refuse']))
    .post('/console/logout', page({ role: 'viewer', scope: 'org', changes: 'session.end' }), signOut);
