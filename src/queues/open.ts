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
const schedule = async (at: (name: QueueName) => Promise<JobQueue>): Promise<void> => {
  for (const queueName of queueNames) {
    for (const [name, kind] of jobsOf(queueName)) {
      if (kind.everyMs === undefined) continue;
      const opts = { removeOnComplete: { count: 20 }, removeOnFail: { count: 100 }, stackTraceLimit: 0 };
      const queue = await at(queueName);
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

/** Opens queues of a store when they are first needed; one that could not be opened is tried again by the next call. */
const opener = (store: Store) => {
  const opened = new Map<QueueName, Promise<JobQueue>>();
  const at = (name: QueueName): Promise<JobQueue> => {
    const known = opened.get(name);
    if (known !== undefined) return known;
    const queue = store.queue(name, { streams: { events: { maxLen: 1000 } }, skipWaitingForReady: true });
    opened.set(name, queue);
    queue.catch(() => opened.delete(name));
    return queue;
  };
  return { at, close: () => Promise.all([...opened.values()].map(async (queue) => (await queue).close())) };
};

/** The queues of the catalog on a store. */
export const openQueues = (store: Store, maxRetries: number): OpenQueues => {
  const { at, close } = opener(store);
  return {
    backend: store.backend,
    enqueueGroup: async (groupId, ids) => addGroup(await at('cert-events'), groupId, ids),
    enqueueEvents: async (jobs) => addEvents(await at('cert-events'), jobs, maxRetries),
    carried: async (jobIds) => carriedBy(await at('cert-events'), jobIds),
    depths: async () => (await Promise.all(queueNames.map(async (name) => depthOf(name, await at(name))))).flat(),
    ping: async () => {
      await store.memory();
    },
    schedule: () => schedule(at),
    canary: async (name, from) => {
      const queue = await at(name);
      await queue.add('canary', {}, { jobId: `canary-${from}`, removeOnComplete: true, removeOnFail: true });
    },
    close: async () => {
      await close();
    },
  };
};
