import { assertAllStored } from './ledger.ts';
import { closedLoop } from './load.ts';
import { type Case, connections, warmUpSeconds } from './run.ts';
import { cpuPerEvent, startSubject, type Subject } from './servers.ts';
import { percentile } from './stats.ts';
import { signedRequests } from './workload.ts';

const subjects = ['verify-only', 'front without database', 'notafter, Redis', 'notafter, PostgreSQL only'] as const;
const likelyRate = 13_000;

/** Requests a second that are accepted, with nothing taking the events on: the API alone against its ceilings. */
export const ingest: Case = async (infrastructure, { seconds, profiles }) => {
  const one = async (subject: Subject) => {
    const running = await startSubject(subject, infrastructure, { worker: false, profiles });
    try {
      const target = { port: running.api.port, connections, expect: 202 };
      const warm = await closedLoop({ ...target, next: signedRequests('warm', 5000) }, { seconds: warmUpSeconds });
      const next = signedRequests('load', seconds * likelyRate);
      const before = running.cpu();
      const load = await closedLoop({ ...target, next }, { seconds });
      const cpu = cpuPerEvent(before, running.cpu(), load.good);
      if (subject.startsWith('notafter')) await assertAllStored(running.database.sql, load, warm.good + load.good);
      const { latencies } = load;
      return {
        part: 'ingest',
        subject,
        values: {
          'events/s': load.good / load.seconds,
          'p50 ms': percentile(latencies, 0.5),
          'p99 ms': percentile(latencies, 0.99),
          ...cpu,
        },
      };
    } finally {
      await running.stop();
    }
  };
  const measures = [];
  for (const subject of subjects) measures.push(await one(subject));
  return measures;
};
