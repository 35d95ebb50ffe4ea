import type { Outcome } from '../../src/queues/catalog.ts';
import { eventJobId } from '../../src/queues/job-id.ts';
import type { EventJob, QueueDepth, Queues } from '../../src/queues/queues.ts';

type State = 'waiting' | 'active' | 'completed' | 'failed';

/** A job of cert-events, as far as its promises go: it is handed out at least once, and its id is known for ever. */
export interface Job {
  readonly id: string;
  readonly name: 'apply-group' | 'apply-opened' | 'apply-event';
  readonly data: {
    readonly ids: readonly string[];
    readonly generation: number;
    readonly tries: number;
    readonly dead: boolean;
  };
  readonly attempts: number;
  failedBefore: number;
  state: State;
  /** Who has it in hand; an end told by anybody else is not heard. */
  owner: string | null;
}

const nothing = { generation: 0, tries: 0, dead: false };

/** The queue of events in memory, with what BullMQ promises and no more. */
export class MemoryQueues implements Queues {
  readonly backend = 'redis';
  readonly jobs = new Map<string, Job>();
  readonly #maxRetries: number;

  constructor(maxRetries: number) {
    this.#maxRetries = maxRetries;
  }

  /** A view of the queue for one process, whose calls wait and may end with it. */
  for(before: (call: string) => Promise<void>): Queues {
    const guarded =
      <A extends readonly unknown[]>(name: string, call: (...given: A) => Promise<void>) =>
      async (...given: A): Promise<void> => {
        await before(name);
        return call(...given);
      };
    return Object.assign(Object.create(this) as Queues, {
      enqueueGroup: guarded('enqueue group', this.enqueueGroup.bind(this)),
      enqueueEvents: guarded('enqueue events', this.enqueueEvents.bind(this)),
      enqueueOpened: guarded('enqueue opened', this.enqueueOpened.bind(this)),
    });
  }

  #add(job: Pick<Job, 'id' | 'name' | 'data' | 'attempts'>): void {
    // An id that is known is never added again, whatever became of its job.
    if (!this.jobs.has(job.id)) this.jobs.set(job.id, { ...job, failedBefore: 0, state: 'waiting', owner: null });
  }

  #remove(id: string): void {
    if (this.jobs.get(id)?.state !== 'active') this.jobs.delete(id);
  }

  async enqueueGroup(groupId: string, ids: readonly string[]): Promise<void> {
    this.#add({ id: groupId, name: 'apply-group', data: { ...nothing, ids }, attempts: 1 });
  }

  async enqueueEvents(jobs: readonly EventJob[]): Promise<void> {
    for (const { id, generation, tries, dead = false, again } of jobs) {
      if (generation > 0) this.#remove(eventJobId(id, generation - 1));
      if (again === true) this.#remove(eventJobId(id, generation));
      this.#add({
        id: eventJobId(id, generation),
        name: 'apply-event',
        data: { ids: [id], generation, tries, dead },
        attempts: Math.max(1, this.#maxRetries - tries),
      });
    }
  }

  async enqueueOpened(groupId: string, generation: number, ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#remove(eventJobId(id, generation - 1));
    this.#add({
      id: eventJobId(groupId, generation),
      name: 'apply-opened',
      data: { ...nothing, ids, generation },
      attempts: 1,
    });
  }

  /** Gives a waiting job to somebody, or takes it from whoever seems to have died with it. */
  take(id: string, owner: string): Job {
    const job = this.jobs.get(id);
    if (job === undefined) throw new Error(`there is no job ${id}`);
    job.state = 'active';
    job.owner = owner;
    return job;
  }

  /** Ends a run; not heard from somebody who has the job no longer. */
  end(job: Job, owner: string, outcome: Outcome): void {
    if (job.owner !== owner || job.state !== 'active') return;
    job.owner = null;
    if (outcome.kind === 'done') {
      job.state = 'completed';
      return;
    }
    job.failedBefore += 1;
    job.state = outcome.kind === 'dead' || job.failedBefore >= job.attempts ? 'failed' : 'waiting';
  }

  /** Jobs in hand go back: their workers are dead. */
  reclaim(): void {
    for (const job of this.jobs.values())
      if (job.state === 'active') Object.assign(job, { state: 'waiting', owner: null });
  }

  in(state: State): Job[] {
    return [...this.jobs.values()].filter((job) => job.state === state);
  }

  async carried(jobIds: readonly string[]): Promise<ReadonlySet<string>> {
    const alive = new Set<State>(['waiting', 'active']);
    return new Set(jobIds.filter((id) => alive.has(this.jobs.get(id)?.state ?? 'failed')));
  }

  async depths(): Promise<readonly QueueDepth[]> {
    const states = ['waiting', 'active', 'failed'] as const;
    return states.map((state) => ({ queue: 'cert-events', state, jobs: this.in(state).length }));
  }

  enqueueProbes(): Promise<void> {
    return Promise.resolve();
  }
  unfinishedProbes(): Promise<number> {
    return Promise.resolve(0);
  }
  kickSettle(): undefined {
    return undefined;
  }
  kickReplay(): undefined {
    return undefined;
  }
  kickDelivery(): undefined {
    return undefined;
  }
  board(): never[] {
    return [];
  }
  ping(): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
