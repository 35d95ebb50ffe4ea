import type { JobRetryStatus, JobState, QueueJob, QueueJobJson } from '@bull-board/api/typings/app';
import * as v from 'valibot';
import { displayText } from '../lifecycle/display-text.ts';
import { jobsOf, type QueueName } from './catalog.ts';
import type { StoredJob } from './store.ts';

const longestError = 300;
const withCredentials = /(?<=:\/\/)[^\s/@]+@/g;

/** The event that a job carries alone. */
export interface CarriedEvent {
  readonly id: string;
  readonly generation: number;
}

const carried = v.object({ id: v.pipe(v.string(), v.uuid()), generation: v.number() });

// A try that was asked for by a person has all its retries before it again.
const afresh = { resetAttemptsMade: true, resetAttemptsStarted: true };

const plain = (value: unknown): boolean => typeof value === 'number' || typeof value === 'boolean';

/** What a run noted: counts and flags, nothing that could hold text. */
const noteOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([, part]) => plain(part)))
    : {};

/** A job as the board may see it: of its data what the catalog knows, of an error one line, and no stack. */
export class BoardJob implements QueueJob {
  readonly #job: StoredJob;
  readonly #queue: QueueName;

  constructor(queue: QueueName, job: StoredJob) {
    this.#queue = queue;
    this.#job = job;
  }

  get id(): string {
    return this.#job.id ?? '';
  }

  get queueName(): QueueName {
    return this.#queue;
  }

  get repeatJobKey(): string {
    return this.#job.repeatJobKey ?? '';
  }

  get opts(): { delay?: number; attempts?: number } {
    const { delay, attempts } = this.#job.opts;
    return { ...(delay !== undefined && { delay }), ...(attempts !== undefined && { attempts }) };
  }

  /** The event of an `apply-event` job; null for every other. */
  get event(): CarriedEvent | null {
    if (this.#queue !== 'cert-events' || this.#job.name !== 'apply-event') return null;
    const parsed = v.safeParse(carried, this.#job.data);
    return parsed.success ? parsed.output : null;
  }

  // The package knows no state but those of its own list; both lists name the same states.
  async getState(): Promise<JobState> {
    return this.#job.getState();
  }

  promote(): Promise<void> {
    return this.#job.promote();
  }

  remove(): Promise<void> {
    return this.#job.remove();
  }

  retry(state: JobRetryStatus = 'failed'): Promise<void> {
    return this.#job.retry(state, afresh);
  }

  toJSON(): QueueJobJson {
    const job = this.#job;
    return {
      id: job.id ?? null,
      // A name that is not ours may be anything.
      name: this.#rule === undefined ? 'unknown' : job.name,
      progress: 0,
      attemptsMade: job.attemptsMade,
      attemptsStarted: job.attemptsStarted,
      stalledCounter: job.stalledCounter,
      finishedOn: job.finishedOn ?? null,
      processedOn: job.processedOn ?? null,
      delay: job.delay,
      timestamp: job.timestamp,
      failedReason: displayText((job.failedReason ?? '').replaceAll(withCredentials, '…@'), longestError),
      stacktrace: [],
      data: this.#data(),
      returnvalue: noteOf(job.returnvalue),
      opts: this.opts,
      ...(job.repeatJobKey !== undefined && { repeatJobKey: job.repeatJobKey }),
    };
  }

  get #rule() {
    return jobsOf(this.#queue).get(this.#job.name);
  }

  #data(): unknown {
    const rule = this.#rule;
    const parsed = rule === undefined ? null : v.safeParse(rule.payload, this.#job.data);
    return parsed?.success === true ? parsed.output : {};
  }
}
