import type { Ctx } from '../context.ts';
import { firingPages } from '../db/alerts.ts';
import { type Sample, startCounters } from '../db/counters.ts';
import {
  claimDueNotices,
  type Claimed,
  dueChannels,
  giveUpChannel,
  releaseNotices,
  saveTried,
  type Tried,
} from '../db/deliveries.ts';
import { noteSweep } from '../db/sweeps.ts';
import { afterTry } from '../lifecycle/delivery.ts';
import { channelsFor } from '../lifecycle/notify-routes.ts';
import type { Channel } from '../notify/channel.ts';
import type { Outcome, Payload } from '../queues/catalog.ts';
import { groupCommit } from '../queues/group-commit.ts';
import { onDatabase } from './on-database.ts';
import type { WorkTools } from './tools.ts';

type Tools = Pick<WorkTools, 'notify' | 'random' | 'stopping'>;

const atOnce = 16;
const parallel = 8;
// Two rounds of tries, each with its own deadline of 10 s, and time to write down how they ended.
const leaseMs = 30_000;
const savePatienceMs = 20_000;
// Another process may know a channel that this one does not yet, or no longer: while versions change hands.
const unknownGraceMs = 600_000;

const tryOne = async (ctx: Ctx, { random }: Tools, channel: Channel, row: Claimed): Promise<Tried> => {
  const started = ctx.elapsed();
  const delivery = await channel.send(row);
  // failpoint: deliver.sent
  const at = ctx.now();
  const after = afterTry(row.tries + 1, delivery, at, random());
  if (delivery.kind !== 'sent')
    ctx.log[after.status === 'dead' ? 'error' : 'warn'](
      { channel: channel.name, notification: row.id, next: after.nextAttemptAt, why: delivery.error },
      after.status === 'dead' ? 'a notification is given up' : 'a notification was not taken',
    );
  return { row, delivery, after, at, durationMs: Math.round(ctx.elapsed() - started) };
};

/** Tries all rows, some at a time, and writes each outcome as soon as it is known; those that end together share a transaction. */
const tryAll = async (ctx: Ctx, tools: Tools, channel: Channel, rows: readonly Claimed[]): Promise<void> => {
  const options = { maxSize: atOnce, limit: atOnce, lanes: 1, patienceMs: savePatienceMs };
  const saver = groupCommit<Tried, true>(options, async (tried) => {
    await onDatabase(() => saveTried(ctx.db, tried, ctx.now()));
    // failpoint: deliver.saved
    return tried.map(() => true);
  });
  const left = [...rows];
  const lane = async (): Promise<void> => {
    for (let row = left.shift(); row !== undefined; row = left.shift()) {
      if (tools.stopping.aborted) {
        left.unshift(row);
        return;
      }
      await saver.submit(await tryOne(ctx, tools, channel, row));
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  if (left.length > 0) await releaseNotices(ctx.db, left, ctx.now());
};

/** Delivers what is due on one channel until nothing is. @returns how many were tried. */
const drain = async (ctx: Ctx, tools: Tools, channel: Channel): Promise<number> => {
  for (let tried = 0; ;) {
    if (tools.stopping.aborted) return tried;
    const claim = { now: ctx.now(), limit: atOnce, leaseMs };
    const rows = await onDatabase(() => claimDueNotices(ctx.db, channel.name, claim));
    if (rows.length === 0) return tried;
    // failpoint: deliver.claimed
    await tryAll(ctx, tools, channel, rows);
    tried += rows.length;
  }
};

/**
 * Delivers notifications of one channel. A process has one such run for each channel; a further job has the run look once
 * more before it ends, so that nothing put into the outbox meanwhile waits for the clock.
 */
export const deliverer = (ctx: Ctx, tools: Tools) => {
  const runs = new Map<string, { again: boolean }>();
  return async ({ channel: name }: Payload<'deliver'>): Promise<Outcome> => {
    const channel = tools.notify.channels.get(name);
    if (channel === undefined) {
      const now = ctx.now();
      const dead = await onDatabase(() => giveUpChannel(ctx.db, name, now - unknownGraceMs, now));
      if (dead > 0) ctx.log.error({ channel: name, dead }, 'notifications of an unknown channel are given up');
      return { kind: 'done', note: { channel: name, dead } };
    }
    const other = runs.get(name);
    if (other !== undefined) {
      other.again = true;
      return { kind: 'done', note: { channel: name, joined: true } };
    }
    const run = { again: true };
    runs.set(name, run);
    let tried = 0;
    try {
      while (run.again && !tools.stopping.aborted) {
        run.again = false;
        tried += await drain(ctx, tools, channel);
      }
    } finally {
      runs.delete(name);
    }
    return { kind: 'done', note: { channel: name, tried } };
  };
};

const outcomes = ({ notify }: Pick<WorkTools, 'notify'>): Sample[] =>
  [...notify.channels.keys()].flatMap((channel) =>
    ['sent', 'failed', 'dead'].map(
      (result) => ({ name: 'fdt_cert_notifications_total', labels: { channel, result } }) as const,
    ),
  );

/** Finds the channels with something due: first tries that no kick announced, and all that are to be tried again. */
export const deliverDue = (ctx: Ctx, tools: Pick<WorkTools, 'notify'>) => {
  let counting = false;
  return async (): Promise<Outcome> => {
    if (!counting) await onDatabase(() => startCounters(ctx.db, outcomes(tools)));
    counting = true;
    return kickDue(ctx);
  };
};

const kickDue = async (ctx: Ctx): Promise<Outcome> => {
  const now = ctx.now();
  const channels = await onDatabase(() => dueChannels(ctx.db, now));
  if (channels.length > 0) ctx.queues.kickDelivery(channels);
  await onDatabase(() => noteSweep(ctx.db, 'deliver', now));
  return { kind: 'done', note: { channels } };
};

/** Tells receivers that forget alerts again what fires. What fails is told again the next time. */
export const refreshAlerts = async (ctx: Ctx, { notify, stopping }: Tools): Promise<Outcome> => {
  let told = 0;
  for (const { name, refresh } of notify.channels.values()) {
    if (refresh === undefined) continue;
    for await (const page of firingPages(ctx.db)) {
      if (stopping.aborted) break;
      const routed = page.filter((alert) =>
        channelsFor(notify.routing, { ...alert, kind: 'alert', action: 'fire' }).includes(name),
      );
      const delivery = routed.length === 0 ? null : await refresh(routed);
      if (delivery !== null && delivery.kind !== 'sent') {
        ctx.log.warn({ channel: name, why: delivery.error }, 'what fires was not taken');
        break;
      }
      told += routed.length;
    }
  }
  return { kind: 'done', note: { told } };
};
