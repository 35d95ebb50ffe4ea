import { setTimeout as sleep } from 'node:timers/promises';
import { StartError } from '../errors.ts';
import { withinMs } from './bounded.ts';
import { queueNames, type QueueName } from './catalog.ts';
import type { OpenQueues } from './open.ts';
import type { Store } from './store.ts';
import type { Workers } from './workers.ts';

const memoryEveryMs = 1000;
const canaryEveryMs = 5000;
const reconcileEveryMs = 5000;
const setupEveryMs = 10_000;
const answerMs = 2000;
// A queue that answers but has not run as much as a canary for this long is deaf.
const deafAfterMs = 30_000;
// So long has the store to answer everybody but this process, which gets nothing done, before that counts as a fault in here.
const stuckAfterMs = 60_000;

export interface GuardianOptions {
  readonly store: Store;
  readonly queues: OpenQueues;
  readonly workers: Workers;
  readonly id: string;
  /** Milliseconds of a clock that only goes forward, the one that `workers` tells its progress by. */
  readonly elapsed: () => number;
  /** Queues what the ledger knows and no queue carries; `doubtful` when the store may have lost anything. Null: another process is at it. */
  readonly reconcile: (doubtful: boolean) => Promise<object | null>;
  readonly onError: (error: unknown, what: string) => void;
  /** A worker stayed deaf although it was made anew: only a new process can help. */
  readonly onDeaf: (queue: QueueName) => void;
  /** The store answers others, but not what this process has open to it: only a new process can help. */
  readonly onStuck: () => void;
}

export interface Guardian {
  /** A word for each thing that is wrong with the queues or this process's workers; empty when all is well. */
  readonly faults: () => readonly string[];
  readonly stop: () => Promise<void>;
}

interface Watch {
  reachableSince: number | null;
  /** Since when, without a break, the store answers new connections and not those in use. */
  stuckSince: number | null;
  badSetup: string | null;
  readonly recreated: Map<QueueName, number>;
  /** Queues that an operator keeps from moving. */
  paused: ReadonlySet<QueueName>;
  /** When each queue that was paused could last be seen so. */
  readonly pausedAt: Map<QueueName, number>;
}

/** Notices a store that has gone, come back or forgotten; what may be forgotten is queued again before it counts as known. */
const watchMemory = async (watch: Watch, { store, queues, reconcile, elapsed }: GuardianOptions): Promise<void> => {
  const memory = store.memory();
  if ((await withinMs(memory, answerMs)) !== 'done') {
    watch.reachableSince = null;
    return;
  }
  watch.reachableSince ??= elapsed();
  watch.stuckSince = null;
  if ((await memory) === 'kept') return;
  // failpoint: epoch.doubted
  if ((await reconcile(true)) === null) return;
  // failpoint: epoch.reconciled
  await queues.schedule();
  await store.confirm();
};

const watchSetup = async (watch: Watch, { store, queues }: GuardianOptions): Promise<void> => {
  try {
    await store.check();
    watch.badSetup = null;
    await queues.schedule();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    watch.badSetup = error.message;
  }
};

const deafQueues = ({ reachableSince, pausedAt }: Watch, { workers, elapsed }: GuardianOptions): QueueName[] => {
  if (reachableSince === null || elapsed() - reachableSince < deafAfterMs) return [];
  const progress = workers.progress();
  // A queue that was paused has its time to move again.
  const movedAt = (queue: QueueName): number => Math.max(progress.get(queue) ?? elapsed(), pausedAt.get(queue) ?? 0);
  return queueNames.filter((queue) => elapsed() - movedAt(queue) > deafAfterMs);
};

const watchPauses = async (watch: Watch, { queues, elapsed }: GuardianOptions): Promise<void> => {
  const paused = queues.paused();
  if ((await withinMs(paused, answerMs)) !== 'done') return;
  watch.paused = await paused;
  for (const queue of watch.paused) watch.pausedAt.set(queue, elapsed());
};

/**
 * Where the store seems away, no worker is judged deaf. Whether it is away tells a new connection: what is wrong with those in
 * use, such as a pool whose places are all lost, would pass for an outage without end.
 */
const watchStuck = async (watch: Watch, { store, workers, elapsed, onStuck }: GuardianOptions): Promise<void> => {
  if ((await withinMs(store.afresh(), answerMs)) !== 'done' || watch.reachableSince !== null) {
    watch.stuckSince = null;
    return;
  }
  const since = (watch.stuckSince ??= elapsed());
  const idle = [...workers.progress().values()].every((movedAt) => movedAt <= since);
  if (!idle) watch.stuckSince = elapsed();
  else if (elapsed() - since > stuckAfterMs) onStuck();
};

const sendCanaries = async (watch: Watch, options: GuardianOptions): Promise<void> => {
  const { queues, workers, id, elapsed, onDeaf } = options;
  if (watch.reachableSince === null) return watchStuck(watch, options);
  await watchPauses(watch, options);
  for (const queue of queueNames) await withinMs(queues.canary(queue, id), answerMs);
  for (const queue of deafQueues(watch, options)) {
    const age = elapsed() - (watch.recreated.get(queue) ?? Number.NEGATIVE_INFINITY);
    if (age > 3 * deafAfterMs) {
      watch.recreated.set(queue, elapsed());
      await workers.recreate(queue);
    } else if (age > deafAfterMs) onDeaf(queue);
  }
};

const reconcileCalmly = async ({ reconcile, elapsed }: GuardianOptions, signal: AbortSignal): Promise<void> => {
  const started = elapsed();
  await reconcile(false);
  // A walk over a long backlog is not begun again at once.
  await pause(Math.min(300_000, 4 * (elapsed() - started)), signal);
};

const pause = (ms: number, signal: AbortSignal): Promise<unknown> =>
  sleep(ms, undefined, { signal }).catch(() => 'stopped');

/**
 * Watches the queues from beside them: whether the store answers and still remembers, whether workers get anything done,
 * whether all that is unfinished is carried. It depends on no queue itself.
 */
export const startGuardian = (options: GuardianOptions): Guardian => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const watch: Watch = {
    reachableSince: null,
    stuckSince: null,
    badSetup: null,
    recreated: new Map(),
    paused: new Set(),
    pausedAt: new Map(),
  };
  const every = async (ms: number, what: string, task: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await task().catch((error: unknown) => options.onError(error, what));
      await pause(ms, signal);
    }
  };
  const loops = [
    every(memoryEveryMs, 'looking at the queue store', () => watchMemory(watch, options)),
    every(canaryEveryMs, 'sending canaries', () => sendCanaries(watch, options)),
    every(setupEveryMs, 'checking the queue store', () => watchSetup(watch, options)),
    every(reconcileEveryMs, 'reconciling', () => reconcileCalmly(options, signal)),
  ];
  return {
    faults: () => [
      ...(watch.reachableSince === null ? [`${options.store.backend} does not answer`] : []),
      ...(watch.badSetup === null ? [] : [watch.badSetup]),
      ...[...watch.paused].map((queue) => `${queue} is paused`),
      ...deafQueues(watch, options).map((queue) => `the worker of ${queue} is deaf`),
    ],
    stop: async () => {
      stopping.abort();
      await withinMs(Promise.all(loops), 3000);
    },
  };
};
