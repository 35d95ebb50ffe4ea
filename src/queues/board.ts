import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import type {
  AppJobScheduler,
  ExternalJobUrl,
  JobCleanStatus,
  JobCounts,
  JobStatus,
  ObliterateOptions,
  QueueAdapterOptions,
  QueueJobJson,
  QueueMetrics,
  QueueWorker,
  RedisStats,
  Status,
} from '@bull-board/api/typings/app';
import { AppError } from '../errors.ts';
import { BoardJob } from './board-job.ts';
import type { QueueName } from './catalog.ts';
import type { JobQueue, StoredJob, StoreFacts } from './store.ts';

const statuses = ['active', 'waiting', 'prioritized', 'completed', 'failed', 'delayed'] as const;

/** The queues as the board needs them; queues open when they are first looked at. */
export interface BoardSource {
  readonly backend: 'redis' | 'postgres';
  readonly at: (name: QueueName) => Promise<JobQueue>;
  readonly facts: () => Promise<StoreFacts>;
}

export interface BoardSettings {
  /** Hides what changes anything; the routes themselves are guarded by whoever serves them. */
  readonly readOnly: boolean;
  /** Where the page of an event is. */
  readonly eventUrl: (id: string) => string;
}

type JobLink = NonNullable<QueueAdapterOptions['externalJobUrl']>;

const eventLink = (eventUrl: BoardSettings['eventUrl']): JobLink => {
  const link = ({ id, name }: QueueJobJson): ExternalJobUrl | undefined =>
    name === 'apply-event' ? { href: eventUrl(String(id).replace(/-\d+$/, '')), displayText: 'Event' } : undefined;
  // The package hands on what it is given, and its page shows no link where that is nothing.
  return link as JobLink;
};

const never = (what: string): Promise<never> => Promise.reject(new Error(`${what} is not done here`));

/**
 * A queue of the catalog for Bull Board, on either store. It can do what operators are let do and nothing else: jobs are
 * neither made nor changed here, and schedules and limits come from the program.
 */
export class BoardQueue extends BaseAdapter {
  readonly #name: QueueName;
  readonly #source: BoardSource;

  constructor(name: QueueName, source: BoardSource, { readOnly, eventUrl }: BoardSettings) {
    const link = name === 'cert-events' ? { externalJobUrl: eventLink(eventUrl) } : {};
    super('bullmq', { readOnlyMode: readOnly, allowCompletedRetries: false, ...link });
    this.#name = name;
    this.#source = source;
  }

  async #queue(): Promise<JobQueue> {
    return this.#source.at(this.#name);
  }

  getName(): QueueName {
    return this.#name;
  }

  getStatuses(): Status[] {
    return ['latest', ...statuses];
  }

  getJobStatuses(): JobStatus[] {
    return [...statuses];
  }

  async getJobCounts(): Promise<JobCounts> {
    return (await this.#queue()).getJobCounts(...statuses);
  }

  async getJob(id: string): Promise<BoardJob | undefined> {
    const job = await (await this.#queue()).getJob(id);
    return job === undefined ? undefined : new BoardJob(this.#name, job);
  }

  async getJobs(wanted: JobStatus[], start?: number, end?: number): Promise<BoardJob[]> {
    const known = statuses.filter((status) => wanted.includes(status));
    return this.#present(await (await this.#queue()).getJobs(known, start, end));
  }

  /** The jobs that failed longest ago. */
  async oldestFailed(count: number): Promise<BoardJob[]> {
    const jobs = await (await this.#queue()).getJobs(['failed'], 0, count - 1, true);
    return this.#present(jobs);
  }

  // A job may be gone by the time it is read.
  #present(jobs: readonly (StoredJob | undefined)[]): BoardJob[] {
    return jobs.flatMap((job) => (job === undefined ? [] : [new BoardJob(this.#name, job)]));
  }

  getJobLogs(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async getMetrics(): Promise<QueueMetrics> {
    return { meta: { count: 0, prevTS: 0, prevCount: 0 }, data: [], count: 0 };
  }

  async getJobSchedulers(): Promise<Omit<AppJobScheduler, 'queueName'>[]> {
    const schedulers = await (await this.#queue()).getJobSchedulers(0, -1);
    return schedulers.map(({ key, name, every, next, iterationCount }) => ({
      id: key,
      name,
      ...(every !== undefined && { every }),
      ...(next !== undefined && { next }),
      ...(iterationCount !== undefined && { iterationCount }),
    }));
  }

  async getJobSchedulersCount(): Promise<number> {
    return (await this.#queue()).getJobSchedulersCount();
  }

  /** The scheduler that waits for this very job; without it the schedule would stand still until it is made anew. */
  override async getArmedJobSchedulerId(job: BoardJob): Promise<string | null> {
    if (job.repeatJobKey === '' || (await job.getState()) !== 'delayed') return null;
    return job.repeatJobKey;
  }

  async isPaused(): Promise<boolean> {
    return (await this.#queue()).isPaused();
  }

  async pause(): Promise<void> {
    await (await this.#queue()).pause();
  }

  async resume(): Promise<void> {
    await (await this.#queue()).resume();
  }

  async promoteAll(): Promise<void> {
    await (await this.#queue()).promoteJobs();
  }

  async clean(status: JobCleanStatus, graceMs: number): Promise<void> {
    await (await this.#queue()).clean(graceMs, Number.MAX_SAFE_INTEGER, status);
  }

  async empty(): Promise<void> {
    await (await this.#queue()).drain();
  }

  async obliterate({ force = false }: ObliterateOptions = {}): Promise<void> {
    try {
      await (await this.#queue()).obliterate({ force });
    } catch (error) {
      // In PostgreSQL BullMQ drops the sequence that numbers the jobs, which its owner alone may.
      if (!(error instanceof Error && 'code' in error && error.code === '42501')) throw error;
      throw new AppError(
        'conflict',
        'The role of DATABASE_URL may not remove this queue: empty it and clean it instead',
      );
    }
  }

  async getRedisInfo(): Promise<string | null> {
    const facts = await this.#source.facts();
    return facts.backend === 'redis' ? facts.info : null;
  }

  override async getDatastoreStats(): Promise<RedisStats | null> {
    const facts = await this.#source.facts();
    return facts.backend === 'postgres' ? facts : null;
  }

  override async getWorkers(): Promise<QueueWorker[] | null> {
    // PostgreSQL does not tell which of its connections belong to workers of a queue.
    if (this.#source.backend === 'postgres') return null;
    return this.normalizeWorkers(await (await this.#queue()).getWorkers());
  }

  async getGlobalConcurrency(): Promise<number | null> {
    return null;
  }

  // The package looks for these two on every queue of BullMQ's when it draws a flow. There are no flows.
  getQueueQualifiedName(): string {
    return this.#name;
  }

  async getFlowProducer(): Promise<null> {
    return null;
  }

  addJob(): Promise<never> {
    return never('Adding a job');
  }

  removeJobScheduler(): Promise<never> {
    return never('Removing a schedule');
  }

  updateJobScheduler(): Promise<never> {
    return never('Changing a schedule');
  }

  runJobSchedulerNow(): Promise<never> {
    return never('Running a schedule');
  }

  setGlobalConcurrency(): Promise<never> {
    return never('Limiting a queue');
  }
}
