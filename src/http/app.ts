import { type Context, Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { requestId } from 'hono/request-id';
import { getPath } from 'hono/utils/url';
import type { Ctx } from '../context.ts';
import { AppError } from '../errors.ts';
import { auditRoutes } from './audit.ts';
import { basePath, routedPath } from './base-path.ts';
import { bullBoardRoutes } from './bull-board.ts';
import { missingPage } from './console/page.tsx';
import { consoleRoutes, frontDoor } from './console/routes.tsx';
import { customDomainRoutes } from './custom-domains.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { importRoutes } from './domain-import.ts';
import { domainRoutes } from './domains.ts';
import type { HttpEnv } from './env.ts';
import { eventRoutes } from './events.ts';
import { healthRoutes, type Readiness } from './health.ts';
import { incidentRoutes } from './incidents.ts';
import { type IngestSink, ingestRoutes } from './ingest.ts';
import { loginRoutes } from './login.ts';
import { notificationRoutes } from './notifications.ts';
import { oidcRoutes } from './oidc-routes.ts';
import { openApiDocument } from './openapi-document.ts';
import { overviewRoutes } from './overview.ts';
import { onError, problemResponse } from './problem.ts';
import { replayRoutes } from './replays.ts';
import { openToAll } from './rules.ts';
import { sessionRoutes } from './session-routes.ts';
import { sourceRoutes } from './sources.ts';
import { tokenRoutes } from './tokens.ts';

/**
 * The public app: ingest, the control plane's door, the admin API, health and the API's own description.
 *
 * @param people what the console and the admin API are given, with a pool of their own: what they ask must not hold up events
 */
export const createApp = (ctx: Ctx, sink: IngestSink, readiness: () => Promise<Readiness>, people: Ctx = ctx) => {
  const prefix = basePath(ctx.config);
  const app =
    prefix === ''
      ? new Hono<HttpEnv>()
      : new Hono<HttpEnv>({ getPath: (request) => routedPath(getPath(request), prefix) });
  app.onError(onError);
  app.notFound(
    async (c) =>
      (await missingPage(c)) ?? problemResponse(c, new AppError('not_found', 'There is nothing at this path')),
  );
  const withCtx = createMiddleware<HttpEnv>(async (c, next) => {
    c.set('ctx', people);
    await next();
  });
  // Not for every path: ingest is the hot one, and a middleware that matches it costs every event.
  for (const path of ['/v1/admin/*', '/v1/domains/custom/*', '/console/*']) app.use(path, withCtx, requestId());
  app
    .get('/', withCtx, frontDoor)
    .route('/', ingestRoutes(ctx, sink))
    .route('/', healthRoutes(readiness, ctx.now))
    .route('/', importRoutes())
    .route('/', domainRoutes())
    .route('/', customDomainRoutes())
    .route('/', replayRoutes())
    .route('/', deadLetterRoutes())
    .route('/', eventRoutes())
    .route('/', incidentRoutes())
    .route('/', notificationRoutes())
    .route('/', sourceRoutes())
    .route('/', overviewRoutes())
    .route('/', auditRoutes())
    .route('/', consoleRoutes())
    .route('/', tokenRoutes())
    .route('/', sessionRoutes())
    .route('/', loginRoutes())
    .route('/', oidcRoutes())
    .route('/', bullBoardRoutes());
  let document: ReturnType<typeof openApiDocument> | null = null;
  const describeAll = async (c: Context<HttpEnv>) => c.json(await (document ??= openApiDocument(app)));
  return app.get(
    '/openapi.json',
    openToAll(describeAll, 'It describes the API and holds nothing of this installation'),
  );
};
