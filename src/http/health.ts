import { type Context, Hono } from 'hono';
import type { Ctx } from '../context.ts';
import type { HttpEnv } from './env.ts';
import { openToAll } from './rules.ts';

/** What a role of the process knows about itself: ready or not, and a word on each part it depends on. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

/**
 * `/livez`: the process answers. `/readyz`: it can do its work now; a part that is degraded is named, without failing. Its
 * Date is that of the clock by which signatures are checked.
 */
export const healthRoutes = (readiness: () => Promise<Readiness>, now: () => number) =>
  new Hono<HttpEnv>()
    .get(
      '/livez',
      openToAll((c: Context<HttpEnv>) => c.json({ ok: true }), 'The platform asks it'),
    )
    .get(
      '/readyz',
      openToAll(async (c: Context<HttpEnv>) => {
        const { ready, checks } = await readiness();
        c.header('Date', new Date(now()).toUTCString());
        return c.json({ ok: ready, checks }, ready ? 200 : 503);
      }, 'The platform asks it'),
    );

/** The app on the metrics port: health and the exposition, for the platform and not for the public. */
export const metricsApp = (ctx: Ctx, readiness: () => Promise<Readiness>, render: (ctx: Ctx) => Promise<string>) =>
  new Hono<HttpEnv>().route('/', healthRoutes(readiness, ctx.now)).get('/metrics', async (c) => {
    c.header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8');
    return c.body(await render(ctx));
  });
