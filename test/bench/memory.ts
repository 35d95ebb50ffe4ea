import { assertAllStored, assertApplied, untilApplied } from './ledger.ts';
import { closedLoop, openLoop } from './load.ts';
import { type Case, connections } from './run.ts';
import { startSubject } from './servers.ts';
import { type Measure, watchMemory } from './stats.ts';
import { signedRequests } from './workload.ts';

const saturatedSeconds = 30;
const steadyRate = 1500;
const thirds = ['first', 'second', 'last'] as const;

/**
 * The most memory each process holds: under all that the clients can push, then at a steady rate for the rest of the time, a
 * third of it after the other, which tells whether it grows.
 */
export const memory: Case = async (infrastructure, { seconds }) => {
  const running = await startSubject('notafter, Redis', infrastructure, { worker: true });
  try {
    const { sql } = running.database;
    const target = { port: running.api.port, connections, expect: 202, next: signedRequests('load', 20_000) };
    const pids = { api: running.api.pid, worker: running.worker?.pid ?? 0 };
    const measures: Measure[] = [];
    let accepted = 0;
    const observe = async (subject: string, load: () => ReturnType<typeof closedLoop>): Promise<void> => {
      const watch = watchMemory(pids);
      const result = await load();
      await untilApplied(sql);
      accepted += result.good;
      await assertAllStored(sql, result, accepted);
      measures.push({
        part: 'memory',
        subject,
        values: { 'events/s': result.good / result.seconds, seconds: result.seconds, ...watch.stop() },
      });
    };
    const saturated = Math.min(seconds, saturatedSeconds);
    await observe('saturated', () => closedLoop(target, { seconds: saturated }));
    const steady = (seconds - saturated) / thirds.length;
    for (const third of steady > 0 ? thirds : [])
      await observe(`${steadyRate.toLocaleString('en')}/s, ${third} third`, () => openLoop(target, steadyRate, steady));
    await assertApplied(sql);
    return measures;
  } finally {
    await running.stop();
  }
};
