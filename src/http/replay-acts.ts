import type { Context } from 'hono';
import type { Db } from '../db/client.ts';
import { openForReplay } from '../db/reopen.ts';
import { mostPlanned, pickForReplay, savePlan } from '../db/replay-plan.ts';
import {
  cancelReplay,
  countChanged,
  findReplay,
  pauseReplay,
  type ReplayRow,
  resumeReplay,
  startReplay,
} from '../db/replays.ts';
import { AppError } from '../errors.ts';
import { type Progress, progressOf, type ReplayFilter } from '../lifecycle/replay.ts';
import { audited } from './audited.ts';
import type { HttpEnv } from './env.ts';
import { enqueueReplayed } from './replay-queue.ts';
import { visible } from './scope.ts';

/** A bulk replay as callers see it: its row without the runner's own notes, and its progress. */
export type ReplayView = Omit<ReplayRow, 'looked' | 'seen_applied' | 'seen_failed' | 'position' | 'stepped_at'> &
  Progress;

export const viewOfReplay = (row: ReplayRow): ReplayView => {
  const { looked: _l, seen_applied: _a, seen_failed: _f, position: _p, stepped_at: _s, ...shown } = row;
  return { ...shown, ...progressOf(row) };
};

const missing = (): AppError => new AppError('not_found', 'There is no replay with this id');

/** A bulk replay that the actor may see. @throws AppError `not_found` */
export const theReplay = async (c: Context<HttpEnv>, id: number, db: Db = c.var.ctx.db): Promise<ReplayRow> => {
  const row = visible(c, await findReplay(db, id));
  if (row === null) throw missing();
  return row;
};

/** Which events, and how; the organisation of the filter is the caller's to set (`orgOf`). */
export interface ReplayInput {
  readonly filter: ReplayFilter;
  readonly force: boolean;
  readonly resetRetry: boolean;
  readonly reason: string | null;
}

const assertForce = ({ filter, force }: ReplayInput): void => {
  if (filter.status === 'applied' && !force)
    throw new AppError('conflict', 'Events that are applied already are replayed with force only');
};

const tooMany = (): AppError =>
  new AppError('bad_request', `These are more than ${mostPlanned} events: narrow the filter, by time for example`);

/** Events a second. */
export interface Rated {
  readonly ratePerSecond: number;
}

/**
 * Writes down which events a bulk replay will take; nothing is opened. A plan can be executed for 15 minutes.
 *
 * @throws AppError `conflict` for applied events without force, `bad_request` for more than a million
 */
export const planReplay = async (c: Context<HttpEnv>, input: ReplayInput & Rated): Promise<ReplayView> => {
  assertForce(input);
  const { ctx, actor } = c.var;
  const { filter, resetRetry, reason, ratePerSecond } = input;
  return audited(c, async (db) => {
    const planning = { filter, resetRetry, reason, ratePerSecond, actor: actor.name, now: ctx.now() };
    const plan = await savePlan(db, planning);
    if (plan === null) throw tooMany();
    const row = await theReplay(c, plan.id, db);
    const after = { total: plan.total, filter };
    const object = { type: 'replay', id: String(plan.id) };
    return [viewOfReplay(row), { action: 'replay.plan', object, orgId: row.org_id, after, reason }];
  });
};

export interface Executed {
  readonly replay: ReplayView;
  /** Somebody has executed it before; nothing is done again. */
  readonly alreadyExecuted: boolean;
  /** Events of the plan that are not any more as they were planned: they will be skipped. */
  readonly changed: number;
}

const executedBefore = (row: ReplayRow): Executed => {
  if (row.state === 'planned') throw new AppError('conflict', 'The plan has expired; make a new one');
  if (row.executed_at === null) throw new AppError('conflict', 'The plan is cancelled; make a new one');
  return { replay: viewOfReplay(row), alreadyExecuted: true, changed: 0 };
};

/**
 * Has a plan carried out in the background, once however often it is asked.
 *
 * @param input `ratePerSecond` and `reason` replace those of the plan where they are given
 * @throws AppError `not_found`; `conflict` when the plan has expired or is cancelled
 */
export const executeReplay = async (
  c: Context<HttpEnv>,
  input: { readonly id: number; readonly ratePerSecond?: number | undefined; readonly reason: string | null },
): Promise<Executed> => {
  const { ctx, actor } = c.var;
  const { id } = input;
  const started = await audited(c, async (db) => {
    await theReplay(c, id, db);
    const row = await startReplay(db, { id, actor: actor.name, now: ctx.now() }, input);
    if (row === null) return [null, null];
    const { total, filter, rate_per_second: ratePerSecond, org_id: orgId, reason } = row;
    const after = { state: row.state, total, ratePerSecond, filter };
    const object = { type: 'replay', id: String(id) };
    return [row, { action: 'replay.execute', object, orgId, before: { state: 'planned' }, after, reason }];
  });
  if (started === null) return executedBefore(await theReplay(c, id));
  ctx.queues.kickReplay();
  const changed = started.force ? 0 : await countChanged(ctx.db, id);
  return { replay: viewOfReplay(started), alreadyExecuted: false, changed };
};

export type ReplayAct = 'pause' | 'resume' | 'cancel';

const acts = {
  pause: { run: (db: Db, { id }: { id: number }) => pauseReplay(db, id), becomes: 'paused' },
  resume: { run: resumeReplay, becomes: 'running' },
  cancel: { run: cancelReplay, becomes: 'cancelled' },
} as const;

/**
 * Pauses, resumes or cancels a bulk replay. Events that are opened already go on in any case.
 *
 * @returns the replay, and whether this changed it; false when it was in that state already
 * @throws AppError `not_found`; `conflict` when its state does not allow it
 */
export const changeReplay = async (
  c: Context<HttpEnv>,
  { id, act, reason }: { readonly id: number; readonly act: ReplayAct; readonly reason: string | null },
): Promise<{ readonly replay: ReplayView; readonly changed: boolean }> => {
  const { ctx } = c.var;
  const { run, becomes } = acts[act];
  const result = await audited(c, async (db) => {
    const before = await theReplay(c, id, db);
    const row = await run(db, { id, now: ctx.now() });
    if (row === null) return [{ row: await theReplay(c, id, db), changed: false }, null];
    const after = { state: row.state, ...progressOf(row) };
    const object = { type: 'replay', id: String(id) };
    const change = { object, orgId: row.org_id, before: { state: before.state }, after, reason };
    return [
      { row, changed: true },
      { action: `replay.${act}`, ...change },
    ];
  });
  const { row, changed } = result;
  if (!changed && row.state !== becomes)
    throw new AppError(
      'conflict',
      `The replay is ${row.state}; it cannot be ${act === 'cancel' ? 'cancelled' : `${act}d`}`,
    );
  if (changed) ctx.queues.kickReplay();
  return { replay: viewOfReplay(row), changed };
};

export interface Replayed {
  /** Events that were found. */
  readonly attempted: number;
  /** Of those, the ones that are pending now. */
  readonly replayed: number;
  /** The ones that are pending now; in a dry run those that were found. */
  readonly ids: readonly string[];
}

/**
 * Replays up to `limit` events at once, the oldest first.
 *
 * @throws AppError `conflict` for applied events without force
 */
export const replaySome = async (
  c: Context<HttpEnv>,
  input: ReplayInput & { readonly limit: number; readonly dryRun: boolean },
): Promise<Replayed> => {
  assertForce(input);
  const { ctx, actor } = c.var;
  const { filter, limit, dryRun, resetRetry, reason } = input;
  const found = await pickForReplay(ctx.db, filter, limit);
  if (dryRun) return { attempted: found.length, replayed: 0, ids: found.map(({ id }) => id) };
  const opened = await audited(c, async (db) => {
    const manner = { actor: actor.name, reason, now: ctx.now(), resetRetry, from: filter.status };
    const rows = await openForReplay(db, found, { ...manner, by: 'person', replayId: null });
    const after = { replayed: rows.length, filter, ids: rows.map(({ id }) => id) };
    const object = { type: 'event', id: null };
    const change = { action: 'event.replay', object, orgId: filter.orgId ?? null, after, reason } as const;
    return [rows, rows.length === 0 ? null : change];
  });
  await enqueueReplayed(ctx, opened);
  return { attempted: found.length, replayed: opened.length, ids: opened.map(({ id }) => id) };
};
