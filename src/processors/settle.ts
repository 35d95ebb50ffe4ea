import { setTimeout as sleep } from 'node:timers/promises';
import type { Ctx } from '../context.ts';
import { dueLooks, loadDue, saveSettled } from '../db/settle.ts';
import { noteSweep } from '../db/sweeps.ts';
import { AppError } from '../errors.ts';
import { settle, type SettleLimits, type Settlement } from '../lifecycle/settle.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';
import type { WorkTools } from './tools.ts';

type Tools = Pick<WorkTools, 'notify' | 'stopping'>;

const batch = 500;
// A run that takes longer makes room for other jobs and goes on in a new one.
const runMs = 20_000;
// A pass over one domain costs nearly what one over fifty does: where events keep coming, the next waits for more of them.
const [worthAPass, gatherMs] = [50, 200];
const retryMs = 50;
const retries = 40;

const limitsOf = ({ config, now }: Ctx, { notify }: Tools): SettleLimits => ({
  now: now(),
  warnDays: config.CERT_EXPIRY_WARN_DAYS,
  slaWarningHours: config.CERT_RENEWAL_SLA_WARNING_HOURS,
  environment: config.CERT_DEPLOYMENT_ENV,
  alertCooldownMs: config.CERT_ALERT_COOLDOWN_SECONDS * 1000,
  runbookCooldownMs: config.CERT_RUNBOOK_COOLDOWN_SECONDS * 1000,
  routing: notify.routing,
});

const settleOnce = (ctx: Ctx, tools: Tools, ids: readonly string[]): Promise<Settlement[]> =>
  ctx.db.sql.begin(async (tx) => {
    const limits = limitsOf(ctx, tools);
    const since = limits.now - Math.max(limits.alertCooldownMs, limits.runbookCooldownMs);
    const due = await loadDue(tx, ids, { now: limits.now, since });
    const settled = due.map((one) => settle(one, limits));
    if (settled.length > 0) await saveSettled(tx, settled, limits.now);
    // failpoint: settle.saved
    return settled;
  });

/** Settles what it can: a domain that undoes its transaction is found by halving, and left out of this run. */
const settleAll = async (ctx: Ctx, tools: Tools, ids: readonly string[], without: string[]): Promise<Settlement[]> => {
  try {
    return await onDatabase(() => settleOnce(ctx, tools, ids));
  } catch (fault) {
    if (fault instanceof AppError) throw fault;
    if (ids.length === 1) {
      ctx.log.error({ err: fault, domains: ids }, 'a domain cannot be settled');
      without.push(...ids);
      return [];
    }
    const middle = Math.ceil(ids.length / 2);
    const settled = [];
    for (const half of [ids.slice(0, middle), ids.slice(middle)])
      settled.push(...(await settleAll(ctx, tools, half, without)));
    return settled;
  }
};

const pause = (ms: number, stopping: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal: stopping }).catch(() => 'stopping');

const settleDue = async (ctx: Ctx, tools: Tools): Promise<Outcome> => {
  const [started, begun] = [ctx.now(), ctx.elapsed()];
  const without: string[] = [];
  let [domains, idle] = [0, 0];
  while (!tools.stopping.aborted) {
    const ids = await onDatabase(() => dueLooks(ctx.db, { now: ctx.now(), limit: batch, without }));
    if (ids.length === 0) break;
    const settled = await settleAll(ctx, tools, ids, without);
    // failpoint: settle.committed
    domains += settled.length;
    const channels = settled.flatMap(({ alerts }) => alerts.notices.map(({ channel }) => channel));
    if (channels.length > 0) ctx.queues.kickDelivery([...new Set(channels)]);
    idle = settled.length === 0 ? idle + 1 : 0;
    if (idle > retries || ctx.elapsed() - begun > runMs) {
      ctx.queues.kickSettle();
      return { kind: 'done', note: { domains, unfinished: true } };
    }
    if (settled.length < worthAPass) await pause(idle > 0 ? retryMs : gatherMs, tools.stopping);
  }
  if (!tools.stopping.aborted && without.length === 0) await onDatabase(() => noteSweep(ctx.db, 'settle', started));
  return { kind: 'done', note: { domains } };
};

/**
 * Makes the settle pass: every domain that is due has its status, incidents and alerts brought up to what is so now, and
 * what has to be said goes into the outbox in the same transaction. It goes on until nothing is due; domains that others
 * have locked are waited for.
 *
 * One run at a time in this process: more of them would look for the same domains, and leave no place for other jobs that run
 * by the clock. What is asked for meanwhile is asked for again at the end, since the run may have looked before it was due.
 */
export const settler = (ctx: Ctx, tools: Tools): (() => Promise<Outcome>) => {
  let [busy, asked] = [false, false];
  return async () => {
    if (busy) {
      asked = true;
      return { kind: 'done', note: { busy } };
    }
    [busy, asked] = [true, false];
    try {
      return await settleDue(ctx, tools);
    } finally {
      busy = false;
      if (asked) ctx.queues.kickSettle();
    }
  };
};
