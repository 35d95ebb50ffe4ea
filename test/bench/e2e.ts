import { applyLatency, assertAllStored, assertApplied, untilApplied } from './ledger.ts';
import { closedLoop } from './load.ts';
import { type Case, connections, warmUpSeconds } from './run.ts';
import { cpuPerEvent, peers, startSubject, type Subject } from './servers.ts';
import { percentile, watchMemory } from './stats.ts';
import { signedRequests } from './workload.ts';

const likelyRate = 8000;

/** Events a second from the first request to the last event applied, as many as the clients can push. */
export const e2e: Case = async (infrastructure, options) => {
  const one = async (subject: Subject) => {
    const running = await startSubject(subject, infrastructure, { worker: true, profiles: options.profiles });
    try {
      const { sql } = running.database;
      const target = { port: running.api.port, connections, expect: 202 };
      const warm = await closedLoop({ ...target, next: signedRequests('warm', 5000) }, { seconds: warmUpSeconds });
      await untilApplied(sql);
      const next = signedRequests('load', options.seconds * likelyRate);
      const memory = watchMemory({ api: running.api.pid, worker: running.worker?.pid ?? 0 });
      const before = running.cpu();
      const started = performance.now();
      const load = await closedLoop({ ...target, next }, { seconds: options.seconds });
      await untilApplied(sql);
      const seconds = (performance.now() - started) / 1000;
      const cpu = cpuPerEvent(before, running.cpu(), load.good);
      const most = memory.stop();
      await assertAllStored(sql, load, warm.good + load.good);
      await assertApplied(sql);
      const { latencies } = load;
      const values = {
        'events/s': load.good / seconds,
        'p50 ms': percentile(latencies, 0.5),
        'p99 ms': percentile(latencies, 0.99),
      };
      return { part: 'e2e', subject, values: { ...values, ...(await applyLatency(sql, 'load')), ...cpu, ...most } };
    } finally {
      await running.stop();
    }
  };
  const measures = [];
  for (const subject of ['notafter, Redis', 'notafter, PostgreSQL only', ...(options.peers ? peers : [])] as const) {
    measures.push(await one(subject));
  }
  return measures;
};
