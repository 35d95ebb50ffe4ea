import { setTimeout as sleep } from 'node:timers/promises';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import * as v from 'valibot';
import { AppError, messageOf } from '../errors.ts';
import { type Handlers, jobsOf, type JobMeta, type Outcome, type QueueName } from './catalog.ts';

// A fault of our own infrastructure is waited out this long with the job in hand; then the job goes back for another worker.
const patienceMs = 30_000;

export interface JobLine {
  readonly queue: QueueName;
  readonly job: string;
  readonly id: string;
  readonly outcome: string;
  readonly ms: number;
  readonly note?: unknown;
}

export interface RunSettings {
  readonly handlers: Handlers;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Milliseconds of a clock that only goes forward. */
  readonly elapsed: () => number;
  readonly stopping: AbortSignal;
  /** One line per job: what, which, outcome, milliseconds. */
  readonly onJob: (line: JobLine) => void;
}

type Work = (payload: never, meta: JobMeta) => Promise<Outcome>;

const handle = (queue: QueueName, job: Job, handlers: Handlers): Promise<Outcome> => {
  if (job.name === 'canary') return Promise.resolve({ kind: 'done' });
  const table: Readonly<Record<string, Work>> = handlers;
  const rule = jobsOf(queue).get(job.name);
  const work = table[job.name];
  if (rule === undefined || work === undefined)
    return Promise.resolve({ kind: 'dead', error: `no such job: ${job.name.slice(0, 80)}` });
  const payload = v.safeParse(rule.payload, job.data);
  if (!payload.success)
    return Promise.resolve({ kind: 'dead', error: 'the job data does not have the shape of the catalog' });
  // The catalog types each handler by the very schema that has just accepted the data.
  return work(payload.output as never, { failedBefore: job.attemptsMade });
};

/** A fault of our own infrastructure uses up no try: wait it out with the job in hand, then put it back. */
const untilAnswered = async (
  queue: QueueName,
  job: Job,
  token: string | undefined,
  settings: RunSettings,
): Promise<Outcome> => {
  const { now, elapsed, stopping } = settings;
  const started = elapsed();
  for (let wait = 100; ; wait = Math.min(1000, wait * 2)) {
    try {
      return await handle(queue, job, settings.handlers);
    } catch (error) {
      if (!(error instanceof AppError) || !error.retryable) throw error;
      if (stopping.aborted || elapsed() - started > patienceMs) {
        await job.moveToDelayed(now() + 1000, token);
        throw new DelayedError(error.message);
      }
      await sleep(wait, undefined, { signal: stopping }).catch(() => 'stopping');
    }
  }
};

/** Only here does a job's outcome become a retry or a dead letter of BullMQ's. */
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

/** Runs one job to its outcome and says so in one line. */
export const runJob = async (
  queue: QueueName,
  job: Job,
  token: string | undefined,
  settings: RunSettings,
): Promise<unknown> => {
  const started = settings.elapsed();
  const say = (outcome: string, note: unknown): void => {
    if (job.name === 'canary') return;
    settings.onJob({
      queue,
      job: job.name,
      id: job.id ?? '',
      outcome,
      ms: Math.round(settings.elapsed() - started),
      note,
    });
  };
  let outcome: Outcome;
  try {
    outcome = await untilAnswered(queue, job, token, settings);
  } catch (error) {
    say(error instanceof DelayedError ? 'postponed' : 'error', messageOf(error));
    throw error;
  }
  say(outcome.kind, outcome.kind === 'done' ? outcome.note : outcome.error);
  return settle(outcome);
};
