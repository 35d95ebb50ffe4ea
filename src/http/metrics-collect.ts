import type { Ctx } from '../context.ts';
import { readGauges } from '../db/gauges.ts';
import { readSweeps } from '../db/sweeps.ts';
import { messageOf } from '../errors.ts';
import { withinMs } from '../queues/bounded.ts';
import { sortExposition } from './exposition.ts';

// Prometheus gives a scrape 10 s by default; what is not known by then is left as it was.
const sourceLimitMs = 2000;

const refreshFromDatabase = async ({ db, metrics, config, now }: Ctx): Promise<void> => {
  const at = now();
  const gauges = await readGauges(db, at, config.CERT_RENEWAL_SLA_WARNING_HOURS);
  for (const [sweep, swept] of await readSweeps(db)) metrics.sweepSuccess.set({ sweep }, swept / 1000);
  for (const [status, n] of gauges.domains) metrics.domains.set({ status }, n);
  for (const [state, n] of gauges.drift) metrics.driftDomains.set({ state }, n);
  metrics.eventsPending.set(gauges.eventsPending);
  metrics.eventsFailed.set(gauges.eventsFailed);
  metrics.slaWarning.set(gauges.slaWarning);
  metrics.slaBreach.set(gauges.slaBreach);
  metrics.oldestPending.set((gauges.oldestPendingAt ?? 0) / 1000);
  metrics.generatedAt.set(at / 1000);
};

const refreshFromQueues = async ({ queues, metrics }: Ctx): Promise<void> => {
  const depths = await queues.depths();
  metrics.queueJobs.reset();
  for (const { queue, state, jobs } of depths) metrics.queueJobs.set({ queue, state }, jobs);
};

/**
 * Reads what the gauges show. A source that fails or is late keeps its old values: `fdt_cert_metrics_generated_at_seconds`
 * then stands still, which is what the alert for stale metrics looks at. Never rejects.
 */
export const refreshGauges = async (ctx: Ctx): Promise<void> => {
  const sources = { database: refreshFromDatabase(ctx), queues: refreshFromQueues(ctx) };
  await Promise.all(
    Object.entries(sources).map(async ([source, work]) => {
      const outcome = await withinMs(work, sourceLimitMs);
      if (outcome !== 'done')
        ctx.log.warn({ source, reason: outcome === 'late' ? outcome : messageOf(outcome) }, 'gauges not read');
    }),
  );
};

/** The exposition for one scrape, in the text format of `registry.contentType`. */
export const renderMetrics = async (ctx: Ctx): Promise<string> => {
  await refreshGauges(ctx);
  return sortExposition(await ctx.metrics.registry.metrics());
};
