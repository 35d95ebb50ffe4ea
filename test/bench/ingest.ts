import { randomUUID } from 'node:crypto';
import { assertAllStored, assertGood, countEvents } from './ledger.ts';
import { closedLoop } from './load.ts';
import { type Case, connections, warmUpSeconds } from './run.ts';
import { cpuPerEvent, type Running, startSubject, type Subject } from './servers.ts';
import { type Measure, percentile } from './stats.ts';
import { signedRequests } from './workload.ts';

const subjects: readonly Subject[] = [
  'verify-only',
  'front without database',
  'notafter, Redis',
  'notafter, PostgreSQL only',
];
const likelyRate = 13_000;

/** Pushes events for some seconds at an API that has no worker behind it. */
export const pushAt = async (
  { api, cpu, database: { sql } }: Running,
  seconds: number,
  { stores }: { stores: boolean },
): Promise<Record<string, number>> => {
  const present = await countEvents(sql);
  // Names of its own, so that a ledger that was pushed at before takes none of these events for a repeat.
  const run = randomUUID();
  const target = { port: api.port, connections, expect: 202 };
  const warm = await closedLoop({ ...target, next: signedRequests(`warm-${run}`, 5000) }, { seconds: warmUpSeconds });
  const next = signedRequests(`load-${run}`, seconds * likelyRate);
  const before = cpu();
  const load = await closedLoop({ ...target, next }, { seconds });
  const used = cpuPerEvent(before, cpu(), load.good);
  assertGood(load);
  if (stores) await assertAllStored(sql, load, present + warm.good + load.good);
  const { latencies } = load;
  return {
    'events/s': load.good / load.seconds,
    'p50 ms': percentile(latencies, 0.5),
    'p99 ms': percentile(latencies, 0.99),
    ...used,
  };
};

/** Requests a second that are accepted, with nothing taking the events on: the API alone against its ceilings. */
export const ingest: Case = async (infrastructure, { seconds, profiles }) => {
  const measures: Measure[] = [];
  for (const subject of subjects) {
    const running = await startSubject(subject, infrastructure, { worker: false, profiles });
    try {
      const values = await pushAt(running, seconds, { stores: subject.startsWith('notafter') });
      measures.push({ part: 'ingest', subject, values });
    } finally {
      await running.stop();
    }
  }
  return measures;
};
