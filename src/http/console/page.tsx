import type { Context } from 'hono';
import type { Child } from 'hono/jsx';
import { asUnavailable } from '../../db/client.ts';
import { readNavCounts } from '../../db/nav-counts.ts';
import { AppError, type ErrorStatus } from '../../errors.ts';
import { basePath, routedPath } from '../base-path.ts';
import type { HttpEnv } from '../env.ts';
import { headerOf } from '../header.ts';
import { problemResponse, tellOfUnavailable } from '../problem.ts';
import { signedIn } from '../sessions.ts';
import { Frame, Head, type NavCounts } from './parts/frame.tsx';
import { Empty } from './parts/panel.tsx';
import { preferencesOf } from './preferences.ts';
import { markupOf, type View, ViewProvider } from './view.ts';

/** The view of a request; its actor must be known. */
export const viewOf = (c: Context<HttpEnv>): View => {
  const { ctx, actor, requestId } = c.var;
  const base = basePath(ctx.config);
  const url = new URL(c.req.url);
  return {
    actor,
    now: ctx.now(),
    base,
    path: routedPath(url.pathname, base),
    query: url.searchParams,
    preferences: preferencesOf(c),
    requestId: requestId ?? null,
    follows: c.req.method === 'GET',
  };
};

export interface PageProps {
  /** Text of the browser's tab, verdict first: `6 need attention`. */
  readonly title: string;
  readonly status?: 200 | ErrorStatus;
}

/** Counts of the side list; a page stands without them when they cannot be read. */
const countsOf = async (c: Context<HttpEnv>): Promise<NavCounts> => {
  const { ctx, actor } = c.var;
  try {
    return await readNavCounts(ctx.db, actor.orgId);
  } catch (error) {
    ctx.log.warn({ err: error }, 'counts of the console could not be read');
    return {};
  }
};

/** Answers with a page within the frame. What a part shows is read before: parts are rendered at once. */
export const answerPage = async (c: Context<HttpEnv>, { title, status = 200 }: PageProps, content: Child) => {
  const counts = await countsOf(c);
  const document = (
    <ViewProvider value={viewOf(c)}>
      <Frame title={title} counts={counts} env={c.var.ctx.config.CERT_DEPLOYMENT_ENV}>
        {content}
      </Frame>
    </ViewProvider>
  );
  return c.html(`<!doctype html>${markupOf(document)}`, status);
};

/** Sends the browser to another page after a change: `to` without `/console/`. */
export const seeOther = (c: Context<HttpEnv>, to: string) =>
  c.redirect(`${basePath(c.var.ctx.config)}/console${to === '' ? '' : `/${to}`}`, 303);

const advice: Readonly<Partial<Record<AppError['code'], string>>> = {
  bad_request: 'Mend the address, or go back to the list and set its filters there.',
  forbidden: 'Ask somebody who may, or sign in with another token.',
  not_found: 'It may have been removed, or the address is cut off.',
  conflict: 'It changed meanwhile. Look at it again before you go on.',
  unavailable: 'Events are still accepted where they can be. Try again in a moment.',
  internal: 'The log has the details under the id of this request.',
};

/** Whatever a page or an act throws, as a page that keeps the frame and names the fault. */
export const errorPage = async (thrown: unknown, c: Context<HttpEnv>) => {
  const error = asUnavailable(thrown);
  const { ctx, requestId } = c.var;
  if (error instanceof AppError) tellOfUnavailable(ctx, error);
  else ctx.log.error({ err: thrown, requestId, path: c.req.path }, 'page failed');
  const shown =
    error instanceof AppError ? error : new AppError('internal', 'The page failed through a fault of the server');
  // Nobody is known before sign-in; there is no frame to keep then.
  if (c.get('actor' as never) === undefined) return problemResponse(c, shown);
  if (shown.retryAfterSeconds !== undefined) c.header('Retry-After', String(shown.retryAfterSeconds));
  return answerPage(
    c,
    { title: shown.title, status: shown.status },
    <>
      <Head title={shown.title} />
      <section class="panel">
        <Empty title={shown.message}>
          {advice[shown.code] ?? 'Try again.'}
          {requestId === undefined ? '' : ` Request ${requestId}.`}
        </Empty>
      </section>
    </>,
  );
};

/** Answers a browser that is signed in and asks for a page of the console that is not there; null for anything else. */
export const missingPage = async (c: Context<HttpEnv>): Promise<Response | null> => {
  const wanted = /^\/console(?:\/|$)/.test(c.req.path) && (headerOf(c, 'accept') ?? '').includes('text/html');
  const found = wanted ? await signedIn(c) : null;
  if (found === null) return null;
  c.set('actor', found.actor);
  return errorPage(new AppError('not_found', 'There is no page at this address'), c);
};
