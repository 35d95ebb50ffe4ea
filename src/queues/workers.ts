import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { eventRetrySeconds } from '../lifecycle/backoff.ts';
import type { Handlers, QueueName } from './catalog.ts';
import { runJob, type RunSettings } from './run-job.ts';
import type { JobWorker, Store } from './store.ts';

// A killed worker's job runs again after lock + check at most: 5 s + 2.5 s.
const lock = { lockDuration: 5000, stalledInterval: 2500, maxStalledCount: 1_000_000 };

export interface WorkerSettings extends Pick<RunSettings, 'now' | 'elapsed' | 'onJob'> {
  readonly concurrency: Readonly<Record<QueueName, number>>;
  readonly baseBackoffSeconds: number;
  readonly onError: (error: Error) => void;
}

export interface Workers {
  /** When each queue last finished a job here, by `elapsed`; a queue with a job in hand is alive now. */
  readonly progress: () => ReadonlyMap<QueueName, number>;
  /** Closes a queue's worker and opens a new one. */
  readonly recreate: (queue: QueueName) => Promise<void>;
  /** Takes no more jobs, waits for those in hand up to the deadline, then lets go. */
  readonly close: (deadlineMs: number) => Promise<void>;
}

interface Running {
  worker: JobWorker;
  active: number;
  lastProgress: number;
}

const triesOf = (data: unknown): number => {
  const parsed = v.safeParse(v.object({ tries: v.number() }), data);
  return parsed.success ? parsed.output.tries : 0;
};

const openWorker = (store: Store, queue: QueueName, settings: WorkerSettings, run: RunSettings): Running => {
  const state = { active: 0, lastProgress: settings.elapsed() };
  const worker = store.worker(
    queue,
    async (job, token) => {
      state.active += 1;
      try {
        return await runJob(queue, job, token, run);
      } finally {
        state.active -= 1;
        state.lastProgress = settings.elapsed();
      }
    },
    {
      ...lock,
      concurrency: settings.concurrency[queue],
      drainDelay: 5,
      runRetryDelay: 1000,
      settings: {
        backoffStrategy: (attemptsMade, _type, _error, job) =>
          1000 * eventRetrySeconds(triesOf(job?.data) + attemptsMade, settings.baseBackoffSeconds),
      },
    },
  );
  worker.on('error', settings.onError);
  return Object.assign(state, { worker });
};

const closeWithin = async ({ worker }: Running, deadlineMs: number): Promise<void> => {
  const late = sleep(deadlineMs, 'late', { ref: false });
  if ((await Promise.race([worker.close(), late])) === 'late') {
    await Promise.race([worker.close(true), sleep(1000, undefined, { ref: false })]);
  }
};

/** Starts a worker per queue; `handlers` is the map of all jobs. */
export const startWorkers = (store: Store, handlers: Handlers, settings: WorkerSettings): Workers => {
  const stopping = new AbortController();
  const { now, elapsed, onJob } = settings;
  const run: RunSettings = { handlers, now, elapsed, onJob, stopping: stopping.signal };
  const open = (queue: QueueName): Running => openWorker(store, queue, settings, run);
  // The keys of a record by QueueName are queue names.
  const names = Object.keys(settings.concurrency) as QueueName[];
  const running = new Map(names.map((queue) => [queue, open(queue)]));
  return {
    progress: () =>
      new Map([...running].map(([queue, { active, lastProgress }]) => [queue, active > 0 ? elapsed() : lastProgress])),
    recreate: async (queue) => {
      const old = running.get(queue);
      running.set(queue, open(queue));
      if (old !== undefined) await closeWithin(old, 2000);
    },
    close: async (deadlineMs) => {
      stopping.abort();
      await Promise.all([...running.values()].map((one) => closeWithin(one, deadlineMs)));
    },
  };
};
