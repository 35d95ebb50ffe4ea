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
  readonly schedule: () => Promise<void>;
  /** Asks for a sign of life: a job that any worker of the queue answers by running it. */
  readonly canary: (queue: QueueName, from: string) => Promise<void>;
}

const addGroup = async (events: JobQueue, groupId: string, ids: readonly string[]): Promise<void> => {
  const opts = { jobId: groupId, removeOnComplete: keepDone, removeOnFail: { count: 1000 }, stackTraceLimit: 0 };
  await events.add('apply-group', { ids }, opts);
};

const addEvents = async (events: JobQueue, jobs: readonly EventJob[], maxRetries: number): Promise<void> => {
  const old = jobs.flatMap(({ id, generation, again }) => [
    ...(generation > 0 ? [eventJobId(id, generation - 1)] : []),
    ...(again === true ? [eventJobId(id, generation)] : []),
  ]);
  await Promise.all(old.map((jobId) => events.remove(jobId)));
  await events.addBulk(jobs.map((job) => eventJob(job, maxRetries)));
};

const carriedBy = async (events: JobQueue, jobIds: readonly string[]): Promise<ReadonlySet<string>> => {
  const found = new Set<string>();
  for (let from = 0; from < jobIds.length; from += lookups) {
    const page = jobIds.slice(from, from + lookups);
    const states = await Promise.all(page.map((id) => events.getJobState(id)));
    for (const [index, id] of page.entries()) if (alive.has(states[index] ?? '')) found.add(id);
  }
  return found;
};

const depthOf = async (queue: QueueName, counted: JobQueue): Promise<QueueDepth[]> => {
  const counts = await counted.getJobCounts(...depthStates);
  return depthStates.map((state) => ({ queue, state, jobs: counts[state] ?? 0 }));
};

/** Opens every queue of the catalog on a store. */
export const openQueues = (store: Store, maxRetries: number, onError: (error: Error) => void): OpenQueues => {
  const open = (name: QueueName): JobQueue => {
    const queue = store.queue(name, { streams: { events: { maxLen: 1000 } }, skipWaitingForReady: true });
    queue.on('error', onError);
    return queue;
  };
  const queues: Readonly<Record<QueueName, JobQueue>> = {
    'cert-events': open('cert-events'),
    maintenance: open('maintenance'),
  };
  const events = queues['cert-events'];
  const all = queueNames.map((name) => [name, queues[name]] as const);
  return {
    backend: store.backend,
    enqueueGroup: (groupId, ids) => addGroup(events, groupId, ids),
    enqueueEvents: (jobs) => addEvents(events, jobs, maxRetries),
    carried: (jobIds) => carriedBy(events, jobIds),
    depths: async () => (await Promise.all(all.map(([name, queue]) => depthOf(name, queue)))).flat(),
    ping: async () => {
      await store.memory();
    },
    schedule: () => schedule(new Map(all)),
    canary: async (queue, from) => {
      await queues[queue].add('canary', {}, { jobId: `canary-${from}`, removeOnComplete: true, removeOnFail: true });
    },
    close: async () => {
      await Promise.all(all.map(([, queue]) => queue.close()));
    },
  };
};
