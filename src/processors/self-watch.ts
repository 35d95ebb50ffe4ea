import type { Ctx } from '../context.ts';
import { countExpiry } from '../db/expiry.ts';
import { readFailedTries } from '../db/pipe-activity.ts';
import { readReplayLoops, readSilentSources } from '../db/self-watch.ts';
import { noteSweep } from '../db/sweeps.ts';
import { loopConditions, type OwnCondition, silentCondition, spikeCondition } from '../lifecycle/own-conditions.ts';
import { spikesOf } from '../lifecycle/self-watch.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';
import { settleOwnAlerts } from './own-alerts.ts';
import type { WorkTools } from './tools.ts';

const watched = ['source_silent', 'error_spike', 'replay_loop'] as const;
// More than that at once have one cause in common, and the first of them tell of it.
const mostSources = 100;

const conditionsNow = async ({ db, config, now }: Ctx): Promise<OwnCondition[]> => {
  const limits = { now: now(), environment: config.CERT_DEPLOYMENT_ENV };
  const [silent, tries, loops] = await Promise.all([
    readSilentSources(db, limits.now),
    readFailedTries(db, limits.now),
    readReplayLoops(db, null),
  ]);
  return [
    ...silent.slice(0, mostSources).map((one) => silentCondition(one, limits)),
    ...spikesOf(tries).map((one) => spikeCondition(one, limits)),
    ...loopConditions(loops, limits),
  ];
};

/** Looks at our own work: senders that fell silent, tries that fail far more often than usual, replays that lead nowhere. */
export const selfWatch = async (ctx: Ctx, tools: Pick<WorkTools, 'notify'>): Promise<Outcome> => {
  const started = ctx.now();
  const holding = await onDatabase(() => conditionsNow(ctx));
  const { opened, channels } = await onDatabase(() =>
    ctx.db.sql.begin((tx) => settleOwnAlerts(ctx, tools, tx, watched, holding)),
  );
  for (const { class: what, summary } of opened) ctx.log.warn({ what, summary }, 'own work needs attention');
  if (channels.length > 0) ctx.queues.kickDelivery(channels);
  await onDatabase(() => noteSweep(ctx.db, 'watch', started));
  return { kind: 'done', note: { holding: holding.length, opened: opened.length } };
};

/** Counts anew, for the overview, how many certificates expire on which day. */
export const expiryCounter = async (ctx: Ctx): Promise<Outcome> => {
  const counted = await onDatabase(() => countExpiry(ctx.db, ctx.now));
  return { kind: 'done', note: { counted } };
};
