import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { listReplays, readReplayFailures } from '../db/replays.ts';
import { replayStates } from '../db/schema-replays.ts';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';
import { filterText, remark, strictBody, strictQuery } from './filters.ts';
import { check, decodeCursor, encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import {
  changeReplay,
  executeReplay,
  planReplay,
  type ReplayAct,
  replaySome,
  type ReplayView,
  theReplay,
  viewOfReplay,
} from './replay-acts.ts';
import { bulkAnswer, executeAnswer, planAnswer, replayDetail, replayList, stateAnswer } from './replay-answers.ts';
import { bulkBody, executeBody, filterOf, planBody } from './replay-input.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';

const tag = 'Replays';
const byId = { id: 'Number of the replay' } as const;
const planInput = strictBody(planBody);
const bulkInput = v.pipe(
  strictBody(bulkBody),
  v.check(({ all, limit }) => !all || limit === undefined, 'takes either limit or all'),
);
const executeInput = strictBody(executeBody);
const stateInput = strictBody({ reason: remark });
const listQuery = strictQuery({
  state: v.optional(v.picklist(replayStates, `must be one of ${replayStates.join(', ')}`)),
  orgId: v.optional(filterText(200)),
  limit: queryLimit(500, 50),
  cursor: v.optional(filterText(200)),
});

const bulkRoute = {
  summary: 'Replay many events: up to a thousand at once, or all in the background',
  tag,
  role: 'operator',
  scope: 'org',
  changes: ['event.replay', 'replay.plan', 'replay.execute'],
  body: bulkInput,
  answers: { 200: { about: 'What was replayed, or the number of the replay that goes on', schema: bulkAnswer } },
  errors: [409],
} as const;

const planRoute = {
  summary: 'Plan a bulk replay: which events it would take; nothing is replayed before the plan is executed',
  tag,
  role: 'operator',
  scope: 'org',
  changes: 'replay.plan',
  body: planInput,
  answers: { 201: { about: 'The plan; it can be executed for 15 minutes', schema: planAnswer } },
  errors: [409],
} as const;

const listRoute = {
  summary: 'Bulk replays, newest first',
  tag,
  role: 'viewer',
  scope: 'org',
  query: listQuery,
  answers: { 200: { about: 'A page of replays; plans only with state=planned', schema: replayList } },
} as const;

const detailRoute = {
  summary: 'A bulk replay with its progress, and what failed again by cause',
  tag,
  role: 'viewer',
  scope: 'org',
  path: byId,
  answers: { 200: { about: 'The replay', schema: replayDetail } },
  errors: [404],
} as const;

const executeRoute = {
  summary: 'Execute a plan in the background',
  tag,
  role: 'operator',
  scope: 'org',
  changes: 'replay.execute',
  path: byId,
  body: executeInput,
  answers: { 200: { about: 'The replay; a repeat changes nothing and says so', schema: executeAnswer } },
  errors: [404, 409],
} as const;

const stateRoute = <A extends ReplayAct>(act: A, summary: string) =>
  ({
    summary,
    tag,
    role: 'operator',
    scope: 'org',
    changes: `replay.${act}`,
    path: byId,
    body: stateInput,
    answers: { 200: { about: 'The replay; a repeat changes nothing and says so', schema: stateAnswer } },
    errors: [404, 409],
  }) as const;

const number = v.strictObject({ id: v.pipe(v.string(), v.regex(/^[1-9]\d{0,14}$/, 'must be the number of a replay')) });

/** The `:id` of the path; anything but a number is `bad_request`. */
export const replayIdOf = (c: Context<HttpEnv>): number => Number(check(number, { id: c.req.param('id') }).id);

/** The number that a cursor of the list of replays stands for. */
export const placeOf = (cursor: string | undefined): number | null => {
  if (cursor === undefined) return null;
  const [id] = decodeCursor(cursor, 1);
  if (v.is(number, { id })) return Number(id);
  throw new AppError('bad_request', 'cursor is not one that this list gave out');
};

const planOf = (replay: ReplayView) => ({
  id: replay.id,
  total: replay.total,
  ...replay.facts,
  filter: replay.filter,
  ratePerSecond: replay.rate_per_second,
  resetRetry: replay.reset_retry,
  force: replay.force,
  reason: replay.reason,
  plannedBy: replay.planned_by,
  createdAt: replay.created_at,
  expiresAt: replay.expires_at,
});

const changedMessage = (changed: number, total: number): string =>
  `${changed} of ${total} events changed since the plan was made; they are skipped`;

const runAct = (act: ReplayAct) => async (c: Context<HttpEnv>) => {
  const id = replayIdOf(c);
  const { reason } = await readJson(c, stateInput);
  const { replay, changed } = await changeReplay(c, { id, act, reason });
  return c.json({ ok: true, ...(!changed && { unchanged: true }), replay });
};

const bulk = async (c: Context<HttpEnv>) => {
  const { all, limit = 100, dryRun, ...body } = await readJson(c, bulkInput);
  const { force, resetRetry, reason, ratePerSecond } = body;
  const input = { filter: filterOf(body, orgOf(c, body.orgId)), force, resetRetry, reason };
  if (!all) return c.json({ ok: true, dryRun, ...(await replaySome(c, { ...input, limit, dryRun })) });
  const { id, total, facts } = await planReplay(c, { ...input, ratePerSecond });
  const ids = facts.sample.map((one) => one.id);
  if (dryRun) return c.json({ ok: true, dryRun, attempted: total, replayed: 0, ids, replayId: id });
  await executeReplay(c, { id, reason: null });
  return c.json({ ok: true, dryRun, attempted: total, replayed: 0, ids: [], replayId: id });
};

/** Replaying many events: at once, or planned and in the background (contract 4). */
export const replayRoutes = () =>
  new Hono<HttpEnv>()
    .post('/v1/admin/cert-events/replay', route(bulkRoute), bulk)
    .post('/v1/admin/replays', route(planRoute), async (c) => {
      const body = await readJson(c, planInput);
      const { force, resetRetry, reason, ratePerSecond } = body;
      const filter = filterOf(body, orgOf(c, body.orgId));
      const plan = await planReplay(c, { filter, force, resetRetry, reason, ratePerSecond });
      return c.json({ ok: true, plan: planOf(plan) }, 201);
    })
    .get('/v1/admin/replays', route(listRoute), async (c) => {
      const { limit, cursor, state, orgId } = readQuery(c, listQuery);
      const filter = { state, orgId: orgOf(c, orgId) };
      const page = await listReplays(c.var.ctx.db, filter, { limit, before: placeOf(cursor) });
      const nextCursor = page.next === null ? null : encodeCursor(String(page.next));
      return c.json({ replays: page.replays.map(viewOfReplay), nextCursor });
    })
    .get('/v1/admin/replays/:id', route(detailRoute), async (c) => {
      const row = await theReplay(c, replayIdOf(c));
      return c.json({ replay: viewOfReplay(row), failures: await readReplayFailures(c.var.ctx.db, row.id) });
    })
    .post('/v1/admin/replays/:id/execute', route(executeRoute), async (c) => {
      const id = replayIdOf(c);
      const { replay, alreadyExecuted, changed } = await executeReplay(c, { id, ...(await readJson(c, executeInput)) });
      return c.json({
        ok: true,
        ...(alreadyExecuted && { alreadyExecuted }),
        changed,
        ...(changed > 0 && { message: changedMessage(changed, replay.total) }),
        replay,
      });
    })
    .post('/v1/admin/replays/:id/pause', route(stateRoute('pause', 'Open no more events for now')), runAct('pause'))
    .post('/v1/admin/replays/:id/resume', route(stateRoute('resume', 'Go on with a paused replay')), runAct('resume'))
    .post('/v1/admin/replays/:id/cancel', route(stateRoute('cancel', 'Leave the rest as it is')), runAct('cancel'));
