import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import type { Ctx } from '../context.ts';
import type { Reopened } from '../db/reopen.ts';
import { liveReplays, removeOldPlans, settleReplay, stepReplay } from '../db/replay-steps.ts';
import { withinMs } from '../queues/bounded.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';

// A run that takes longer makes room for other jobs and goes on in a new one.
const runMs = 20_000;
const tickMs = 100;
const settleMs = 250;
// A look at very many events that fail again and again takes its time; it may have this share of the whole.
const settleShare = 4;
const enqueueMs = 5000;
// What was opened is mostly applied by then; what is tried again later is heard of by the clock.
const lingerMs = 3000;
const plansKeptMs = 86_400_000;

/** Hands opened events to their queue; the reconciler does so where this fails or dies. */
const enqueue = async ({ queues, log, metrics }: Ctx, groupId: string, opened: readonly Reopened[]): Promise<void> => {
  const jobs = [...Map.groupBy(opened, ({ generation }) => generation)].map(([generation, events]) =>
    queues.enqueueOpened(
      groupId,
      generation,
      events.map(({ id }) => id),
    ),
  );
  const outcome = await withinMs(Promise.all(jobs), enqueueMs);
  if (outcome === 'done') return;
  metrics.enqueueFailures.inc();
  log.warn({ events: opened.length }, 'replayed events not queued yet');
};

interface Run {
  opened: number;
  /** When it last had something to open, and when it has to look again at what was opened. */
  busyAt: number;
  settleAt: number;
}

const openNext = async (ctx: Ctx, run: Run, ids: readonly number[]): Promise<void> => {
  for (const id of ids) {
    // A part of a plan at a time, until the rate is used up.
    for (;;) {
      const groupId = uuidv7();
      const step = { now: ctx.now(), most: ctx.config.CERT_EVENT_BATCH_SIZE, groupId };
      const opened = await onDatabase(() => stepReplay(ctx.db, id, step));
      if (opened === null || opened.length === 0) break;
      // failpoint: replay.stepped
      run.opened += opened.length;
      run.busyAt = ctx.elapsed();
      await enqueue(ctx, groupId, opened);
    }
  }
};

const settleAll = async (ctx: Ctx, run: Run, ids: readonly number[]): Promise<void> => {
  const started = ctx.elapsed();
  for (const id of ids) {
    const outcome = await onDatabase(() => settleReplay(ctx.db, id, ctx.now()));
    if (outcome !== 'goes_on') ctx.log.info({ replay: id, outcome }, 'bulk replay');
  }
  run.settleAt = ctx.elapsed() + Math.max(settleMs, settleShare * (ctx.elapsed() - started));
};

const tick = async (ctx: Ctx, run: Run): Promise<void> => {
  const live = await onDatabase(() => liveReplays(ctx.db));
  const opening = live.flatMap((one) => (one.opening ? [one.id] : []));
  if (opening.length > 0) run.busyAt = ctx.elapsed();
  await openNext(ctx, run, opening);
  if (ctx.elapsed() >= run.settleAt)
    await settleAll(
      ctx,
      run,
      live.map(({ id }) => id),
    );
};

/**
 * Carries on every bulk replay: opens what its rate allows, and takes down what came of it. Its place is in the database, so
 * that any worker goes on where another died. One run at a time in this process; of several processes each event is opened
 * by one.
 */
export const replayRunner = (ctx: Ctx, stopping: AbortSignal) => {
  let busy = false;
  const carryOn = async (): Promise<Outcome> => {
    const started = ctx.elapsed();
    const run: Run = { opened: 0, busyAt: Number.NEGATIVE_INFINITY, settleAt: Number.NEGATIVE_INFINITY };
    await onDatabase(() => removeOldPlans(ctx.db, ctx.now() - plansKeptMs));
    while (!stopping.aborted) {
      await tick(ctx, run);
      if (ctx.elapsed() - run.busyAt > lingerMs) return { kind: 'done', note: { opened: run.opened } };
      if (ctx.elapsed() - started > runMs) break;
      await sleep(tickMs, undefined, { signal: stopping }).catch(() => 'stopping');
    }
    if (!stopping.aborted) ctx.queues.kickReplay();
    return { kind: 'done', note: { opened: run.opened, unfinished: true } };
  };
  return async (): Promise<Outcome> => {
    if (busy) return { kind: 'done', note: { busy } };
    busy = true;
    try {
      return await carryOn();
    } finally {
      busy = false;
    }
  };
};
