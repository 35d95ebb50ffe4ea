import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { listSessions, type SessionRow } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { roles } from '../lifecycle/access.ts';
import type { HttpEnv } from './env.ts';
import { pathId, strictBody, strictQuery } from './filters.ts';
import { readJson, readQuery } from './input.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';
import { closeSessions, idleMsOf } from './sessions.ts';

const tag = 'Access';

/** The signed-in browsers that the caller may see, the newest first; at most 500. */
export const sessionsFor = (c: Context<HttpEnv>): Promise<SessionRow[]> =>
  listSessions(c.var.ctx.db, { orgId: orgOf(c, undefined) }, { now: c.var.ctx.now(), idleMs: idleMsOf(c) });

/** Ends somebody's session at once. @throws AppError `not_found` when it is over, or of an organisation that is not the actor's. */
export const revokeSession = async (c: Context<HttpEnv>, { id }: { readonly id: string }): Promise<SessionRow> => {
  const [ended] = await closeSessions(c, { id, orgId: orgOf(c, undefined) });
  if (ended === undefined) throw new AppError('not_found', 'There is no open session with this id');
  return ended;
};

const at = v.pipe(v.string(), v.isoTimestamp());
const sessionRow = v.strictObject({
  id: v.pipe(v.string(), v.uuid()),
  actor: v.string(),
  role: v.picklist(roles),
  org_id: v.nullable(v.string()),
  via: v.picklist(['token', 'oidc']),
  address: v.nullable(v.string()),
  user_agent: v.nullable(v.string()),
  created_at: at,
  last_seen_at: at,
  expires_at: at,
  revoked_at: v.nullable(at),
});
const noQuery = strictQuery({});
const nothing = strictBody({});

const describeList = route({
  summary: 'Browsers that are signed in to the console',
  tag,
  role: 'admin',
  scope: 'org',
  query: noQuery,
  answers: {
    200: { about: 'Open sessions, newest first', schema: v.strictObject({ sessions: v.array(sessionRow) }) },
  },
});
const describeRevoke = route({
  summary: 'Sign a browser out, from this moment on',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'session.end',
  path: { id: 'Id of the session' },
  body: nothing,
  answers: { 200: { about: 'Ended', schema: v.strictObject({ ok: v.literal(true), session: sessionRow }) } },
  errors: [404],
});

/** Sessions of the console, as admins see and end them. */
export const sessionRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/sessions', describeList, async (c) => {
      readQuery(c, noQuery);
      return c.json({ sessions: await sessionsFor(c) });
    })
    .post('/v1/admin/sessions/:id/revoke', describeRevoke, async (c) => {
      await readJson(c, nothing);
      return c.json({ ok: true, session: await revokeSession(c, { id: pathId(c) }) });
    });
