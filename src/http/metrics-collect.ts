import type { Ctx } from '../context.ts';
import { readSigning } from '../db/audit-checkpoints.ts';
import { readCounters } from '../db/counters.ts';
import { readGauges } from '../db/gauges.ts';
import { readFailedTries } from '../db/pipe-activity.ts';
import { readRetention } from '../db/retention.ts';
import { readReplayLoops, readSilentSources } from '../db/self-watch.ts';
import { readSweeps } from '../db/sweeps.ts';
import { messageOf } from '../errors.ts';
import { retentionDays } from '../lifecycle/retention.ts';
import { spikeOf } from '../lifecycle/self-watch.ts';
import { withinMs } from '../queues/bounded.ts';
import { sortExposition } from './exposition.ts';

// Prometheus gives a scrape 10 s by default; what is not known by then is left as it was.
const sourceLimitMs = 2000;

/** Shows what the kept counters have come to; one without a row has counted nothing yet. */
const refreshCounters = async ({ db, metrics }: Ctx): Promise<void> => {
  const samples = await readCounters(db);
  for (const counter of metrics.kept.values()) counter.reset();
  for (const { name, labels, value } of samples) metrics.kept.get(name)?.inc(labels, value);
};

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
  metrics.silentSources.set((await readSilentSources(db, at)).length);
  metrics.replayLoops.set((await readReplayLoops(db, null)).events);
  for (const tries of await readFailedTries(db, at))
    metrics.failuresSpiking.set({ error_class: tries.errorClass }, spikeOf(tries) === null ? 0 : 1);
  const ages = retentionDays(config);
  for (const { name, roundAt } of await readRetention(db))
    if (roundAt !== null && ages.has(name)) metrics.retentionRound.set({ of: name }, roundAt / 1000);
  const signing = await readSigning(db);
  metrics.auditCheckpoint.set(signing.signedAt / 1000);
  metrics.auditUnsigned.set(signing.unsigned);
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
  const sources = {
    database: refreshFromDatabase(ctx),
    counters: refreshCounters(ctx),
    queues: refreshFromQueues(ctx),
  };
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
