import { setTimeout as sleep } from 'node:timers/promises';
import type { Ctx } from '../context.ts';
import { stepRetention } from '../db/retention.ts';
import { noteSweep } from '../db/sweeps.ts';
import { retentionDays, type RetentionName } from '../lifecycle/retention.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';
import type { WorkTools } from './tools.ts';

// A run ends after this long; the next one goes on where it came to.
const runMs = 10_000;
// Rests between steps are at least as long as the steps, so that what people and senders wait for goes first.
const leastRestMs = 10;

const rest = (ms: number, signal: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal }).catch(() => 'stopping');

/**
 * Removes what is older than its retention, in steps of some hundred rows with rests between them. What a step did not come
 * to is left to the next run, in whichever process.
 */
export const retention = async (ctx: Ctx, { stopping }: Pick<WorkTools, 'stopping'>): Promise<Outcome> => {
  const [started, begun] = [ctx.now(), ctx.elapsed()];
  const removed: Partial<Record<RetentionName, number>> = {};
  const goesOn = (): boolean => !stopping.aborted && ctx.elapsed() - begun < runMs;
  let waiting = [...retentionDays(ctx.config)];
  while (waiting.length > 0 && goesOn()) {
    // One step of each in turn, so that a table with much to remove does not hold up the others.
    const over = new Set<RetentionName>();
    for (const [name, days] of waiting) {
      if (!goesOn()) break;
      const began = ctx.elapsed();
      const count = await onDatabase(() => stepRetention(ctx.db, name, days, ctx.now()));
      if (count === null) over.add(name);
      else {
        removed[name] = (removed[name] ?? 0) + count;
        await rest(Math.max(leastRestMs, ctx.elapsed() - began), stopping);
      }
    }
    waiting = waiting.filter(([name]) => !over.has(name));
  }
  await onDatabase(() => noteSweep(ctx.db, 'retention', started));
  return { kind: 'done', note: { removed, unfinished: waiting.length > 0 } };
};
