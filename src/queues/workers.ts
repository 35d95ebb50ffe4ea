import { setTimeout as sleep } from 'node:timers/promises';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import * as v from 'valibot';
import { AppError, messageOf } from '../errors.ts';
import { eventRetrySeconds } from '../lifecycle/backoff.ts';
import { jobsOf, type Handlers, type JobMeta, type Outcome, type QueueName } from './catalog.ts';
import type { JobWorker, Store } from './store.ts';

// A killed worker's job runs again after lock + check at most: 5 s + 2.5 s.
const lock = { lockDuration: 5000, stalledInterval: 2500, maxStalledCount: 1_000_000 };
const patienceMs = 30_000;

export interface WorkerSettings {
  readonly concurrency: Readonly<Record<QueueName, number>>;
  readonly baseBackoffSeconds: number;
  readonly now: () => number;
  readonly onError: (error: Error) => void;
  /** One line per job: what, which, outcome, milliseconds. */
  readonly onJob: (line: { queue: QueueName; job: string; id: string; outcome: string; ms: number; note?: unknown }) => void;
}

export interface Workers {
  /** When each queue last finished a job here, epoch ms; a queue with a job in hand is alive now. */
  progress(): ReadonlyMap<QueueName, number>;
  /** Closes a queue's worker and opens a new one. */
  recreate(queue: QueueName): Promise<void>;
  /** Takes no more jobs, waits for those in hand up to the deadline, then lets go. */
  close(deadlineMs: number): Promise<void>;
}

interface Running {
  worker: JobWorker;
  active: number;
  lastProgress: number;
}

/** Only here does a job's outcome become a retry, a dead letter or a postponement of BullMQ's. */
const settle = (outcome: Outcome): Record<string, unknown> | undefined => {
  switch (outcome.kind) {
    case 'done':
      return outcome.note;
    case 'retry':
      throw new Error(outcome.error);
    case 'dead':
      throw new UnrecoverableError(outcome.error);
  }
};

const triesOf = (data: unknown): number => {
  const parsed = v.safeParse(v.object({ tries: v.number() }), data);
  return parsed.success ? parsed.output.tries : 0;
};

/** Starts a worker per queue; `handlers` is the map of all jobs. */
export const startWorkers = (store: Store, handlers: Handlers, settings: WorkerSettings): Workers => {
  const stopping = new AbortController();
  const running = new Map<QueueName, Running>();
  const table: Readonly<Record<string, (payload: never, meta: JobMeta) => Promise<Outcome>>> = handlers;

  const handle = async (queue: QueueName, job: Job<unknown, unknown, string>): Promise<Outcome> => {
    if (job.name === 'canary') return { kind: 'done' };
    const rule = jobsOf(queue).get(job.name);
    const handler = table[job.name];
    if (rule === undefined || handler === undefined) return { kind: 'dead', error: `no such job: ${job.name.slice(0, 80)}` };
    const payload = v.safeParse(rule.payload, job.data);
    if (!payload.success) return { kind: 'dead', error: 'the job data does not have the shape of the catalog' };
    // The catalog types each handler by the very schema that has just accepted the data.
    return handler(payload.output as never, { failedBefore: job.attemptsMade });
  };

  /** A fault of our own infrastructure uses up no try: wait it out with the job in hand, then put it back. */
  const untilAnswered = async (queue: QueueName, job: Job<unknown, unknown, string>, token: string | undefined): Promise<Outcome> => {
    const started = settings.now();
    for (let wait = 100; ; wait = Math.min(1000, wait * 2)) {
      try {
        return await handle(queue, job);
      } catch (error) {
        if (!(error instanceof AppError) || !error.retryable) throw error;
        if (stopping.signal.aborted || settings.now() - started > patienceMs) {
          await job.moveToDelayed(settings.now() + 1000, token);
          throw new DelayedError(error.message);
        }
        await sleep(wait, undefined, { signal: stopping.signal }).catch(() => 'stopping');
      }
    }
  };

  const run = (queue: QueueName, state: () => Running) => async (job: Job<unknown, unknown, string>, token?: string) => {
    const started = settings.now();
    const mine = state();
    mine.active += 1;
    let said = 'error';
    let note: unknown;
    try {
      const outcome = await untilAnswered(queue, job, token);
      said = outcome.kind;
      note = outcome.kind === 'done' ? outcome.note : outcome.error;
      return settle(outcome);
    } catch (error) {
      if (error instanceof DelayedError) said = 'postponed';
      if (said === 'error') note = messageOf(error);
      throw error;
    } finally {
      mine.active -= 1;
      mine.lastProgress = settings.now();
      if (job.name !== 'canary') {
        settings.onJob({ queue, job: job.name, id: job.id ?? '', outcome: said, ms: Math.round(settings.now() - started), note });
      }
    }
  };

  const open = (queue: QueueName): Running => {
    const state: Running = {
      active: 0,
      lastProgress: settings.now(),
      worker: store.worker(queue, run(queue, () => state), {
        ...lock,
        concurrency: settings.concurrency[queue],
        drainDelay: 5,
        runRetryDelay: 1000,
        settings: {
          backoffStrategy: (attemptsMade, _type, _error, job) =>
            1000 * eventRetrySeconds(triesOf(job?.data) + attemptsMade, settings.baseBackoffSeconds),
        },
      }),
    };
    state.worker.on('error', settings.onError);
    return state;
  };
  for (const queue of Object.keys(settings.concurrency)) {
    // The keys of a record by QueueName are queue names.
    const name = queue as QueueName;
    running.set(name, open(name));
  }

  const closeWithin = async ({ worker }: Running, deadlineMs: number): Promise<void> => {
    const closed = worker.close();
    const late = sleep(deadlineMs, 'late', { ref: false });
    if ((await Promise.race([closed, late])) === 'late') await Promise.race([worker.close(true), sleep(1000, undefined, { ref: false })]);
  };

  return {
    progress: () => new Map([...running].map(([queue, { active, lastProgress }]) => [queue, active > 0 ? settings.now() : lastProgress])),
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
