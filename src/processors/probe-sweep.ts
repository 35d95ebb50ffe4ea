import type { Ctx } from '../context.ts';
import { claimDue } from '../db/probes.ts';
import { noteSweep } from '../db/sweeps.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';

const jobSize = 200;
/** Jobs whose domains are claimed by one statement. */
const jobsAtOnce = 5;
/** Jobs that may be unfinished before a sweep leaves the rest to the next one: 20,000 domains; fewer than one worker takes in hand. */
const mostUnfinished = 100;
/** Longer than a full queue takes to be worked off: a job that is not back by then is lost. */
const leaseMs = 10 * 60_000;

/**
 * Finds the domains whose look is due and hands them to the probes queue, the longest due first. It stops when nothing is due,
 * or when as many jobs wait as the workers have in hand for a while; what is left stays due. A claim lends a domain out, so
 * that two sweeps never hand out the same one, and one whose job was lost comes back.
 */
export const probeSweep = async (ctx: Ctx): Promise<Outcome> => {
  const started = ctx.elapsed();
  let domains = 0;
  if (ctx.config.CERT_PROBE_FALLBACK_ENABLED) {
    const room = mostUnfinished - (await ctx.queues.unfinishedProbes());
    for (let jobs = 0; jobs < room; jobs += jobsAtOnce) {
      const limit = jobSize * Math.min(jobsAtOnce, room - jobs);
      const ids = await onDatabase(() => claimDue(ctx.db, { now: ctx.now(), leaseMs, limit }));
      // failpoint: probe.claimed
      for (let from = 0; from < ids.length; from += jobSize)
        await ctx.queues.enqueueProbes(ids.slice(from, from + jobSize), false);
      domains += ids.length;
      if (ids.length < limit) break;
    }
  }
  await onDatabase(() => noteSweep(ctx.db, 'probe', ctx.now()));
  return { kind: 'done', note: { domains, ms: Math.round(ctx.elapsed() - started) } };
};
