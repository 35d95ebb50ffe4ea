import { createBullBoard } from '@bull-board/api';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { type Context, Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { Ctx } from '../context.ts';
import { AppError, messageOf } from '../errors.ts';
import type { BoardQueue } from '../queues/board.ts';
import { authenticate } from './auth.ts';
import { basePath, routedPath } from './base-path.ts';
import { readBody } from './body.ts';
import { type BoardChange, noteBoardChange, whyNot } from './bull-board-guard.ts';
import { dressed } from './bull-board-page.ts';
import { refusal, retryAll, retryJob } from './bull-board-retry.ts';
import { boardRoutes, type BoardRule } from './bull-board-rules.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';
import { assertMay, withRule } from './rules.ts';
import { page, signedIn } from './sessions.ts';

const home = '/console/bull-board';
const longestBody = 1024;
const changing = ['POST', 'PUT', 'PATCH', 'DELETE'];

interface BoardEnv {
  /** The request as it came in, with who asks. */
  readonly Bindings: { readonly outer: Context<HttpEnv> };
  Variables: { guarded?: true };
}

type Board = Hono<BoardEnv>;

/** Carries out what is ours to do, because the ledger has a part in it; null for what the package does. */
const ownAct = (
  c: Context<HttpEnv>,
  what: string,
  { queue, job }: { queue: BoardQueue | undefined; job: string | null },
) => {
  if (queue === undefined) return null;
  if (what === 'retry' && job !== null) return retryJob(c, queue, job);
  return what === 'retry all' ? retryAll(c, queue) : null;
};

const changeOf = (what: string, params: Readonly<Record<string, string>>): BoardChange => ({
  what,
  queue: params['queueName'] ?? null,
  job: params['jobId'] ?? params['schedulerId'] ?? null,
  state: params['queueStatus'] ?? null,
});

/** Stands before a route of the package: lets through and notes what the caller may do, refuses and notes what not. */
const guard = (rule: BoardRule, queues: readonly BoardQueue[]) =>
  createMiddleware<BoardEnv>(async (c, next) => {
    const { outer } = c.env;
    const params = c.req.param();
    const change = rule.what === null ? null : changeOf(rule.what, params);
    const why = whyNot(outer, rule, change);
    if (change !== null) await noteBoardChange(outer, change, why);
    if (why !== null) {
      const { status, body } = refusal(403, 'ERRORS.FORBIDDEN', why);
      return c.json(body, status === 204 ? 403 : status);
    }
    c.set('guarded', true);
    if (change === null) return next();
    const queue = queues.find((one) => one.getName() === change.queue);
    const done = await ownAct(outer, change.what, { queue, job: change.job });
    if (done === null) return next();
    return done.status === 204 ? c.body(null, 204) : c.json(done.body, done.status);
  });

/** What the package has no route for. */
const nothing = async (c: Context<BoardEnv>): Promise<Response> => {
  const { outer } = c.env;
  const isChange = changing.includes(c.req.method);
  if (!isChange) return c.json(refusal(404, 'ERRORS.QUEUE_NOT_FOUND', 'There is nothing at this path').body, 404);
  const rule = { what: 'unknown', role: 'operator' } as const;
  const change = changeOf(rule.what, {});
  const why = whyNot(outer, rule, change);
  await noteBoardChange(outer, change, why ?? 'There is nothing at this path');
  if (why !== null) return c.json(refusal(403, 'ERRORS.FORBIDDEN', why).body, 403);
  return c.json(refusal(404, 'ERRORS.QUEUE_NOT_FOUND', 'There is nothing at this path').body, 404);
};

const uiConfig = (prefix: string) => ({
  boardTitle: 'notafter queues',
  miscLinks: [{ text: 'Back to the console', url: `${prefix}/console` }],
  hideDocsLink: true,
  showMetrics: false,
  locale: { lng: 'en-US' },
});

/** The package behind our guards, at the address where a browser sees it. */
const openBoard = (ctx: Ctx, readOnly: boolean): Board => {
  const prefix = basePath(ctx.config);
  const at = prefix + home;
  const queues = ctx.queues.board({ readOnly, eventUrl: (id) => `${prefix}/console/events/${id}` });
  const server = new HonoAdapter(serveStatic).setBasePath(at);
  createBullBoard({ queues, serverAdapter: server, options: { uiConfig: uiConfig(prefix) } });
  server.setErrorHandler((error) => {
    ctx.log.warn({ why: messageOf(error) }, 'Bull Board could not do it');
    // The package knows few statuses; what the queues cannot do as asked is a conflict.
    if (error instanceof AppError && error.code === 'conflict')
      return { status: 409, body: { error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' }, message: error.message } };
    return {
      status: 500,
      body: { error: { key: 'ERRORS.INTERNAL_SERVER_ERROR' }, message: 'The queues did not do it; the log says why' },
    };
  });
  const board = new Hono<BoardEnv>();
  for (const { method, path, rule } of boardRoutes) {
    board.on(method.toUpperCase(), path === '/' ? at : at + path, guard(rule, queues));
  }
  // A route of the package that has no guard of its own is reached by nobody.
  board.use((c, next) => (c.var.guarded === true ? next() : nothing(c)));
  board.route(at, server.registerPlugin());
  board.notFound(nothing);
  return board;
};

/** The request as the package is to see it: at its canonical address, without credentials, with a small body at most. */
const inward = async (c: Context<HttpEnv>): Promise<Request> => {
  const url = new URL(c.req.url);
  const prefix = basePath(c.var.ctx.config);
  url.pathname = prefix + routedPath(url.pathname, prefix).replace(/\/+$/, '');
  const { method } = c.req;
  const headers = new Headers({ accept: headerOf(c, 'accept') ?? '*/*' });
  const body = changing.includes(method) ? await readBody(c, longestBody) : null;
  return new Request(url, { method, headers, ...(body !== null && body.length > 0 && { body: new Uint8Array(body) }) });
};

const asPage = page({ role: 'viewer', scope: 'all' });

/** Sets who asks, by session or bearer token; a change is judged, and noted, by the guard of its route. */
const door = createMiddleware<HttpEnv>(async (c, next) => {
  const { config } = c.var.ctx;
  if (config.CERT_ADMIN_TOKENS === undefined && config.NOTAFTER_OIDC_ISSUER === undefined) return c.notFound();
  if (headerOf(c, 'authorization') !== undefined) {
    c.set('actor', await authenticate(c));
  } else {
    const found = await signedIn(c);
    if (found === null) return asPage(c, next);
    c.set('actor', found.actor);
    c.set('session', found.session);
  }
  if (!changing.includes(c.req.method)) assertMay(c.var.actor, { role: 'viewer', scope: 'all' });
  return next();
});

/** Bull Board at `/console/bull-board`; nothing of it is there where nobody can sign in. */
export const bullBoardRoutes = () => {
  const boards = new Map<boolean, Board>();
  const answer = async (c: Context<HttpEnv>): Promise<Response> => {
    const readOnly = c.var.actor.role === 'viewer';
    const board = boards.get(readOnly) ?? openBoard(c.var.ctx, readOnly);
    boards.set(readOnly, board);
    const request = await inward(c);
    return dressed(await board.fetch(request, { outer: c }), new URL(request.url).pathname);
  };
  const paths = [home, `${home}/*`];
  const demand = { door: 'session', scope: 'all' } as const;
  return new Hono<HttpEnv>()
    .on(
      ['GET'],
      paths,
      withRule((c, next) => door(c, next), { ...demand, role: 'viewer' }),
      answer,
    )
    .on(
      changing,
      paths,
      withRule((c, next) => door(c, next), { ...demand, role: 'operator', changes: 'queue.change' }),
      answer,
    );
};
