import type { Infrastructure } from './infrastructure.ts';
import { applyLatency, assertAllStored, assertApplied, untilApplied } from './ledger.ts';
import { openLoop } from './load.ts';
import { type Case, connections, warmUpSeconds } from './run.ts';
import { cpuPerEvent, startSubject } from './servers.ts';
import { type Measure, percentile, watchMemory } from './stats.ts';
import { signedRequests } from './workload.ts';

const rate = 1500;
const part = 'offered 1,500/s';
const shortest = 20;

interface Buckets {
  readonly upTo: number[];
  readonly counts: number[];
}

const readBuckets = async (metricsPort: number): Promise<Buckets> => {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const lines = [...text.matchAll(/^fdt_cert_event_apply_latency_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)];
  return {
    upTo: lines.map(([, le = '']) => (le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le))),
    counts: lines.map(([, , count = '']) => Number(count)),
  };
};

/** The quantile as Prometheus's histogram_quantile works it out, in milliseconds, of what came between two readings. */
const quantile = (before: Buckets, { upTo, counts }: Buckets, q: number): number => {
  const grown = counts.map((count, index) => count - (before.counts[index] ?? 0));
  const rank = q * (grown.at(-1) ?? 0);
  const at = grown.findIndex((count) => count >= rank);
  const [low, high] = [upTo[at - 1] ?? 0, upTo[at] ?? Number.NaN];
  const [below, within] = [grown[at - 1] ?? 0, grown[at] ?? 0];
  return 1000 * (low + ((high - low) * (rank - below)) / Math.max(1, within - below));
};

/** What the machine and the clients alone make of the rate: a server that checks signatures and does nothing else. */
const floor = async (infrastructure: Infrastructure, seconds: number): Promise<Measure> => {
  const subject = 'verify-only';
  const running = await startSubject(subject, infrastructure, { worker: false });
  try {
    const target = { port: running.api.port, connections, expect: 202 };
    await openLoop({ ...target, next: signedRequests('warm', 5000) }, rate, warmUpSeconds);
    const before = running.cpu();
    const load = await openLoop({ ...target, next: signedRequests('load', rate * seconds) }, rate, seconds);
    const { latencies } = load;
    const values = {
      'events/s': load.good / load.seconds,
      'p50 ms': percentile(latencies, 0.5),
      'p99 ms': percentile(latencies, 0.99),
    };
    return { part, subject, values: { ...values, ...cpuPerEvent(before, running.cpu(), load.good) } };
  } finally {
    await running.stop();
  }
};

/** A steady 1,500 events a second: how long an answer takes, and how long until an accepted event is applied. */
export const offered: Case = async (infrastructure, { seconds: asked, profiles }) => {
  const seconds = Math.max(shortest, asked);
  const measures = [await floor(infrastructure, seconds)];
  for (const subject of ['notafter, Redis', 'notafter, PostgreSQL only'] as const) {
    const running = await startSubject(subject, infrastructure, { worker: true, profiles });
    try {
      const { sql } = running.database;
      const metricsPort = running.worker?.metricsPort ?? 0;
      const target = { port: running.api.port, connections, expect: 202 };
      const warm = await openLoop({ ...target, next: signedRequests('warm', 5000) }, rate, warmUpSeconds);
      await untilApplied(sql);
      const bucketsBefore = await readBuckets(metricsPort);
      const next = signedRequests('load', rate * seconds);
      const memory = watchMemory({ api: running.api.pid, worker: running.worker?.pid ?? 0 });
      const before = running.cpu();
      const load = await openLoop({ ...target, next }, rate, seconds);
      const cpu = cpuPerEvent(before, running.cpu(), load.good);
      const most = memory.stop();
      await untilApplied(sql);
      await assertAllStored(sql, load, warm.good + load.good);
      await assertApplied(sql);
      const { latencies } = load;
      const values = {
        'events/s': load.good / load.seconds,
        'p50 ms': percentile(latencies, 0.5),
        'p99 ms': percentile(latencies, 0.99),
        ...(await applyLatency(sql, 'load')),
        'histogram p99 ms': quantile(bucketsBefore, await readBuckets(metricsPort), 0.99),
      };
      measures.push({ part, subject, values: { ...values, ...cpu, ...most } });
    } finally {
      await running.stop();
    }
  }
  return measures;
};
