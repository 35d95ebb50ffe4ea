import type { BoardQueue, BoardSettings } from './board.ts';

/** A job that carries one event: after a failed try, or a replay. `tries` is the event's retry_count when the job is made. */
export interface EventJob {
  readonly id: string;
  readonly generation: number;
  readonly tries: number;
  readonly delayMs: number;
  /** The event is given up in the ledger; the job only has to end in the failed set, where operators look. */
  readonly dead?: boolean;
  /** A job of this very id may lie among the finished ones and has to make room. */
  readonly again?: boolean;
}

export interface QueueDepth {
  readonly queue: string;
  readonly state: string;
  readonly jobs: number;
}

/** The queue side of the pipe. Every call may fail or hang with the store away: callers bound it and never depend on it. */
export interface Queues {
  /** `redis` or `postgres`. */
  readonly backend: 'redis' | 'postgres';
  /** One job for a committed group. */
  readonly enqueueGroup: (groupId: string, eventIds: readonly string[]) => Promise<void>;
  /** One job per event, with the id `<eventId>-<generation>`; the job of an older generation is dropped. */
  readonly enqueueEvents: (jobs: readonly EventJob[]) => Promise<void>;
  /**
   * One job for events that were opened together in one generation, with the id `<groupId>-<generation>`; their own jobs of
   * the generation before are dropped.
   */
  readonly enqueueOpened: (groupId: string, generation: number, eventIds: readonly string[]) => Promise<void>;
  /** One job for these domains; `asked` when an operator wants to know now. */
  readonly enqueueProbes: (domainIds: readonly string[], asked: boolean) => Promise<void>;
  /** Jobs of probes that wait or are in hand. */
  readonly unfinishedProbes: () => Promise<number>;
  /** Has the settle pass made soon; never throws, and many calls make one job. */
  readonly kickSettle: () => void;
  /** Has these channels' notifications delivered soon; never throws. */
  readonly kickDelivery: (channels: readonly string[]) => void;
  /** Has bulk replays carried on soon; never throws. */
  readonly kickReplay: () => void;
  /** Of these jobs of cert-events, those that a worker will still run. */
  readonly carried: (jobIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Jobs per queue and state. */
  readonly depths: () => Promise<readonly QueueDepth[]>;
  /** Every queue of the catalog as Bull Board needs it. */
  readonly board: (settings: BoardSettings) => readonly BoardQueue[];
  /** Resolves when the store answers. */
  readonly ping: () => Promise<void>;
  readonly close: () => Promise<void>;
}
