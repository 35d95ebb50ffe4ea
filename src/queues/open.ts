import { BoardQueue } from './board.ts';
import { type JobName, jobsOf, queueNames, type QueueName } from './catalog.ts';
import { eventJobId } from './job-id.ts';
import { merged } from './merged.ts';
import type { EventJob, QueueDepth, Queues } from './queues.ts';
import type { JobQueue, Store, StoredJob } from './store.ts';

const depthStates = ['waiting', 'active', 'delayed', 'failed'] as const;
const alive = new Set(['waiting', 'wait', 'active', 'delayed', 'prioritized', 'paused']);
const lookups = 200;

const eventJob = ({ id, generation, tries, delayMs, dead }: EventJob, maxRetries: number) => ({
  name: 'apply-event',
  data: { id, generation, tries, dead: dead ?? false },
  opts: {
    jobId: eventJobId(id, generation),
    delay: delayMs,
    attempts: Math.max(1, maxRetries - tries),
    backoff: { type: 'contract' },
    removeOnFail: false,
    stackTraceLimit: 0,
  },
});

/** Milliseconds between runs of jobs whose interval is configured. */
export type Intervals = Readonly<Partial<Record<JobName, number>>>;

/**
 * Puts every job that runs by the clock on its schedule; safe to repeat. A run that is further away than schedules put it was
 * set by a clock that has been set back since, and comes at once.
 */
const schedule = async (at: (name: QueueName) => Promise<JobQueue>, intervals: Intervals): Promise<void> => {
  for (const queueName of queueNames) {
    for (const [name, kind] of jobsOf(queueName)) {
      const every = Object.entries(intervals).find(([job]) => job === name)?.[1] ?? kind.everyMs;
      if (every === undefined) continue;
      const opts = { removeOnComplete: { count: 20 }, removeOnFail: { count: 100 }, stackTraceLimit: 0 };
      const queue = await at(queueName);
      const put = (): Promise<StoredJob> => queue.upsertJobScheduler(name, { every }, { name, data: {}, opts });
      if ((await put()).delay <= 2 * every) continue;
      await queue.removeJobScheduler(name);
      await put();
    }
  }
};

export interface OpenQueues extends Queues {
  /** Makes every schedule of the catalog anew. */
  readonly schedule: () => Promise<void>;
  /** Queues that an operator has paused. */
  readonly paused: () => Promise<ReadonlySet<QueueName>>;
  /** Asks for a sign of life: a job that any worker of the queue answers by running it. */
  readonly canary: (queue: QueueName, from: string) => Promise<void>;
}

const addGroup = async (events: JobQueue, groupId: string, ids: readonly string[]): Promise<void> => {
  const opts = { jobId: groupId, removeOnFail: { count: 1000 }, stackTraceLimit: 0 };
  await events.add('apply-group', { ids }, opts);
};

const addOpened = async (
  events: JobQueue,
  groupId: string,
  generation: number,
  ids: readonly string[],
): Promise<void> => {
  await Promise.all(ids.map((id) => events.remove(eventJobId(id, generation - 1))));
  const jobId = eventJobId(groupId, generation);
  const opts = { jobId, removeOnFail: { count: 1000 }, stackTraceLimit: 0 };
  await events.add('apply-opened', { ids, generation }, opts);
};

const addEvents = async (events: JobQueue, jobs: readonly EventJob[], maxRetries: number): Promise<void> => {
  const old = jobs.flatMap(({ id, generation, again }) => [
    ...(generation > 0 ? [eventJobId(id, generation - 1)] : []),
    ...(again === true ? [eventJobId(id, generation)] : []),
  ]);
  await Promise.all(old.map((jobId) => events.remove(jobId)));
  await events.addBulk(jobs.map((job) => eventJob(job, maxRetries)));
};

const addProbes = async (probes: JobQueue, ids: readonly string[], asked: boolean): Promise<void> => {
  // A look that failed is due again by the domain's own clock, so that the failed job is only a trace.
  const opts = { removeOnFail: { count: 1000 }, stackTraceLimit: 0 };
  // Somebody waits for what was asked: it goes before all that a sweep has queued.
  await probes.add('probe-domains', { ids, asked }, { ...opts, lifo: asked });
};

// A clock asks for the same work, so that a kick leaves nothing behind.
const kicked = { removeOnComplete: true, removeOnFail: { count: 100 }, stackTraceLimit: 0 };
const settleKickMs = 100;
const deliveryKickMs = 20;

/** Jobs that are asked for whenever there may be something to do. */
const kicks = (at: (name: QueueName) => Promise<JobQueue>) => {
  const settle = merged<string>(settleKickMs, async () => (await at('maintenance')).add('settle-domains', {}, kicked));
  const replay = merged<string>(settleKickMs, async () => (await at('maintenance')).add('replay-run', {}, kicked));
  const delivery = merged<string>(deliveryKickMs, async (channels) =>
    (await at('notifications')).addBulk(
      channels.map((channel) => ({ name: 'deliver', data: { channel }, opts: kicked })),
    ),
  );
  return { settle, replay, delivery };
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
export const openQueues = (store: Store, maxRetries: number, intervals: Intervals = {}): OpenQueues => {
  const { at, close } = opener(store);
  const { settle, replay, delivery } = kicks(at);
  return {
    backend: store.backend,
    enqueueGroup: async (groupId, ids) => addGroup(await at('cert-events'), groupId, ids),
    enqueueOpened: async (groupId, generation, ids) => addOpened(await at('cert-events'), groupId, generation, ids),
    enqueueEvents: async (jobs) => addEvents(await at('cert-events'), jobs, maxRetries),
    enqueueProbes: async (ids, asked) => addProbes(await at('probes'), ids, asked),
    unfinishedProbes: async () => {
      const counts = await (await at('probes')).getJobCounts('waiting', 'active');
      return (counts['waiting'] ?? 0) + (counts['active'] ?? 0);
    },
    kickSettle: () => settle.ask(['settle']),
    kickReplay: () => replay.ask(['replay']),
    kickDelivery: (channels) => delivery.ask(channels),
    carried: async (jobIds) => carriedBy(await at('cert-events'), jobIds),
    depths: async () => (await Promise.all(queueNames.map(async (name) => depthOf(name, await at(name))))).flat(),
    board: (settings) => {
      const source = { backend: store.backend, at, facts: store.facts };
      return queueNames.map((name) => new BoardQueue(name, source, settings));
    },
    ping: async () => {
      await store.memory();
    },
    schedule: () => schedule(at, intervals),
    paused: async () => {
      const states = await Promise.all(queueNames.map(async (name) => (await at(name)).isPaused()));
      return new Set(queueNames.filter((_, index) => states[index] === true));
    },
    canary: async (name, from) => {
      const queue = await at(name);
      await queue.add('canary', {}, { jobId: `canary-${from}`, removeOnComplete: true, removeOnFail: true });
    },
    close: async () => {
      settle.close();
      replay.close();
      delivery.close();
      await close();
    },
  };
};
