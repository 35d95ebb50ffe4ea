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
const setupEveryMs = 30_000;
const answerMs = 2000;
/** A queue that answers but has not run as much as a canary for this long is deaf. */
const deafAfterMs = 30_000;

export interface GuardianOptions {
  readonly store: Store;
  readonly queues: OpenQueues;
  readonly workers: Workers;
  readonly id: string;
  readonly now: () => number;
  /** Queues what the ledger knows and no queue carries; `doubtful` when the store may have lost anything. Null: another process is at it. */
  readonly reconcile: (doubtful: boolean) => Promise<object | null>;
  readonly onError: (error: unknown, what: string) => void;
  /** A worker stayed deaf although it was made anew: only a new process can help. */
  readonly onDeaf: (queue: QueueName) => void;
}

export interface Guardian {
  /** A word for each thing that is wrong with the queues or this process's workers; empty when all is well. */
  faults(): readonly string[];
  stop(): Promise<void>;
}

/** Repeats a task with a pause between its runs until the signal; a run that fails is told and the next one comes all the same. */
const every = async (ms: number, signal: AbortSignal, what: string, options: GuardianOptions, task: () => Promise<void>): Promise<void> => {
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      options.onError(error, what);
    }
    await sleep(ms, undefined, { signal }).catch(() => 'stopped');
  }
};

/**
 * Watches the queues from beside them: whether the store answers and still remembers, whether workers get anything done,
 * whether all that is unfinished is carried. It depends on no queue itself.
 */
export const startGuardian = (options: GuardianOptions): Guardian => {
  const { store, queues, workers, now } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let reachableSince: number | null = null;
  let badSetup: string | null = null;
  const recreated = new Map<QueueName, number>();

  const watchMemory = async (): Promise<void> => {
    const memory = store.memory();
    if ((await withinMs(memory, answerMs)) !== 'done') {
      reachableSince = null;
      return;
    }
    reachableSince ??= now();
    if ((await memory) === 'kept') return;
    await queues.schedule();
    if ((await options.reconcile(true)) !== null) await store.confirm();
  };

  const watchSetup = async (): Promise<void> => {
    try {
      await store.check();
      badSetup = null;
      await queues.schedule();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      badSetup = error.message;
    }
  };

  const deaf = (): QueueName[] => {
    if (reachableSince === null || now() - reachableSince < deafAfterMs) return [];
    const progress = workers.progress();
    return queueNames.filter((queue) => now() - (progress.get(queue) ?? now()) > deafAfterMs);
  };

  const sendCanaries = async (): Promise<void> => {
    if (reachableSince === null) return;
    for (const queue of queueNames) await withinMs(queues.canary(queue, options.id), answerMs);
    for (const queue of deaf()) {
      const before = recreated.get(queue);
      if (before !== undefined && now() - before < 3 * deafAfterMs) {
        if (now() - before > deafAfterMs) options.onDeaf(queue);
        continue;
      }
      recreated.set(queue, now());
      await workers.recreate(queue);
    }
  };

  const loops = [
    every(memoryEveryMs, signal, 'looking at the queue store', options, watchMemory),
    every(canaryEveryMs, signal, 'sending canaries', options, sendCanaries),
    every(setupEveryMs, signal, 'checking the queue store', options, watchSetup),
    every(reconcileEveryMs, signal, 'reconciling', options, async () => {
      const started = now();
      await options.reconcile(false);
      // A walk over a long backlog is not begun again at once.
      await sleep(Math.min(300_000, 4 * (now() - started)), undefined, { signal }).catch(() => 'stopped');
    }),
  ];
  return {
    faults: () => [
      ...(reachableSince === null ? [`${store.backend} does not answer`] : []),
      ...(badSetup === null ? [] : [badSetup]),
      ...deaf().map((queue) => `the worker of ${queue} is deaf`),
    ],
    stop: async () => {
      stopping.abort();
      await withinMs(Promise.all(loops), 3000);
    },
  };
};
