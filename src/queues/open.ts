import { jobsOf, queueNames, type QueueName } from './catalog.ts';
import { eventJobId } from './job-id.ts';
import type { EventJob, QueueDepth, Queues } from './queues.ts';
import type { JobQueue, Store } from './store.ts';

const depthStates = ['waiting', 'active', 'delayed', 'failed'] as const;
const alive = new Set(['waiting', 'wait', 'active', 'delayed', 'prioritized', 'paused']);
const keepDone = { age: 3600, count: 1000 };
const lookups = 200;

const eventJob = ({ id, generation, tries, delayMs, dead }: EventJob, maxRetries: number) => ({
  name: 'apply-event',
  data: { id, generation, tries, dead: dead ?? false },
  opts: {
    jobId: eventJobId(id, generation),
    delay: delayMs,
    attempts: Math.max(1, maxRetries - tries),
    backoff: { type: 'contract' },
    removeOnComplete: keepDone,
    removeOnFail: false,
    stackTraceLimit: 0,
  },
});

/** Puts every job that runs by the clock on its schedule; safe to repeat. */
export const schedule = async (queues: ReadonlyMap<QueueName, JobQueue>): Promise<void> => {
  for (const [queueName, queue] of queues) {
    for (const [name, kind] of jobsOf(queueName)) {
      if (kind.everyMs === undefined) continue;
      const opts = { removeOnComplete: { count: 20 }, removeOnFail: { count: 100 }, stackTraceLimit: 0 };
      await queue.upsertJobScheduler(name, { every: kind.everyMs }, { name, data: {}, opts });
    }
  }
};

export interface OpenQueues extends Queues {
  /** Makes every schedule of the catalog anew. */
  schedule(): Promise<void>;
  /** Asks for a sign of life: a job that any worker of the queue answers by running it. */
  canary(queue: QueueName, from: string): Promise<void>;
}

/** Opens every queue of the catalog on a store. */
export const openQueues = (store: Store, maxRetries: number, onError: (error: Error) => void): OpenQueues => {
  const open = (name: QueueName): JobQueue => {
    const queue = store.queue(name, { streams: { events: { maxLen: 1000 } }, skipWaitingForReady: true });
    queue.on('error', onError);
    return queue;
  };
  const queues = new Map(queueNames.map((name) => [name, open(name)]));
  const at = (name: QueueName): JobQueue => {
    const queue = queues.get(name);
    if (queue === undefined) throw new Error(`no queue ${name}`);
    return queue;
  };
  const events = at('cert-events');
  return {
    backend: store.backend,
    enqueueGroup: async (groupId, ids) => {
      await events.add('apply-group', { ids }, { jobId: groupId, removeOnComplete: keepDone, removeOnFail: { count: 1000 }, stackTraceLimit: 0 });
    },
    enqueueEvents: async (jobs) => {
      const old = jobs.flatMap(({ id, generation, again }) => [
        ...(generation > 0 ? [eventJobId(id, generation - 1)] : []),
        ...(again === true ? [eventJobId(id, generation)] : []),
      ]);
      await Promise.all(old.map((jobId) => events.remove(jobId)));
      await events.addBulk(jobs.map((job) => eventJob(job, maxRetries)));
    },
    carried: async (jobIds) => {
      const found = new Set<string>();
      for (let from = 0; from < jobIds.length; from += lookups) {
        const page = jobIds.slice(from, from + lookups);
        const states = await Promise.all(page.map((id) => events.getJobState(id)));
        page.forEach((id, index) => {
          if (alive.has(states[index] ?? '')) found.add(id);
        });
      }
      return found;
    },
    depths: async () => {
      const rows = await Promise.all(
        [...queues].map(async ([queue, open]): Promise<QueueDepth[]> => {
          const counts = await open.getJobCounts(...depthStates);
          return depthStates.map((state) => ({ queue, state, jobs: counts[state] ?? 0 }));
        }),
      );
      return rows.flat();
    },
    ping: async () => {
      await store.memory();
    },
    schedule: () => schedule(queues),
    canary: async (queue, from) => {
      await at(queue).add('canary', {}, { jobId: `canary-${from}`, removeOnComplete: true, removeOnFail: true });
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
};
