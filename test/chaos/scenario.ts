import type { Child } from '../support/child.ts';
import type { Answer } from '../support/driver.ts';
import type { Flaw, Sql } from '../support/ledger.ts';
import type { TestPostgres } from '../support/postgres.ts';
import type { App, Environment } from '../support/process.ts';
import type { RedisOptions, TestRedis } from '../support/redis.ts';
import type { FaultProxy } from './proxy.ts';
import type { Random } from './random.ts';
import type { CountingReceiver } from './receiver.ts';

export type Backend = 'redis' | 'postgres';

export interface WorldOptions {
  readonly backend: Backend;
  readonly seed: number;
  /** Processes of the product: `serve` and `work`. Default two of each. */
  readonly apis?: number;
  readonly workers?: number;
  /** Registered domains. Default 200, over four organisations. */
  readonly domains?: number;
  readonly env?: Environment;
  readonly redis?: RedisOptions;
  readonly postgres?: Readonly<Record<string, string>>;
  /** Runs the build that knows failpoints; see failpoints.ts. */
  readonly failpoints?: boolean;
  /** Events may fail for other reasons than an unknown domain, such as poison; otherwise each such try is a flaw. */
  readonly mayFail?: boolean;
  /** Puts a program before every process of the product, such as `faketime` or `prlimit` with its arguments. */
  readonly wrap?: readonly string[];
}

/** One process of the product, that keeps its place and ports over kills and restarts. */
export interface Replica {
  readonly role: 'serve' | 'work';
  /** The process that runs now, or ran last. */
  readonly app: () => App;
  readonly kill9: () => Promise<void>;
  /** SIGTERM; gives the exit code. */
  readonly stop: () => Promise<number | null>;
  /** Starts it on the same ports; waits until it is ready unless told not to. */
  readonly start: (options?: { readonly env?: Environment; readonly ready?: boolean }) => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
}

export interface WorldRedis {
  readonly server: TestRedis;
  /** What the product's REDIS_URL leads through. */
  readonly proxy: FaultProxy;
  readonly kill9: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly command: (...words: readonly string[]) => Promise<unknown>;
  /** Copies the append-only file as it is now; `rollBack` puts it in place of the present one, with a kill -9 and a restart. */
  readonly snapshot: () => Promise<string>;
  readonly rollBack: (snapshot: string) => Promise<void>;
}

export interface WorldPostgres {
  readonly server: TestPostgres;
  /** What the product's DATABASE_URL leads through. */
  readonly proxy: FaultProxy;
  /** kill -9 of the postmaster and every backend; it is started again by `restart`. */
  readonly kill9: () => Promise<void>;
  /** As `pg_ctl stop -m immediate`. */
  readonly stopAtOnce: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly signal: (name: 'SIGSTOP' | 'SIGCONT') => void;
}

export interface DriveOptions {
  /** Stops by itself after so many accepted events; without it, when told to. */
  readonly events?: number;
  /** Offered events a second, over all senders; without it each sender goes as fast as it is answered. */
  readonly rate?: number;
  /** With a rate: they come in bursts of 1 to so many at once. Default 1. */
  readonly burst?: number;
  /** Default 32. */
  readonly senders?: number;
  /** Share of events that are sent again after their answer, 0..1. Default 0.02. */
  readonly duplicates?: number;
  /** Share of events whose domain nobody registered. Default 0. */
  readonly unresolved?: number;
  /** Domains to speak of; default all of the world. */
  readonly domains?: readonly string[];
  /** Seed of the events; default the world's. */
  readonly seed?: number;
  /** Where they are sent; default the ports of the world's APIs. */
  readonly ports?: readonly number[];
}

/** Senders in a process of their own. Each event is on disk before it is sent, and each answer before it counts. */
export interface Drive {
  readonly child: Child;
  /** Accepted so far. */
  readonly accepted: () => number;
  readonly untilAccepted: (count: number, timeoutMs?: number) => Promise<void>;
  /** Waits for the drive's own end, as `events` says. */
  readonly finished: (timeoutMs?: number) => Promise<void>;
  /** Lets every sender have its present event accepted, then ends. */
  readonly stop: () => Promise<void>;
  /** Answers so far, in the order they came: when (epoch ms), how long (ms), status (0 = none). */
  readonly answers: () => readonly { readonly at: number; readonly ms: number; readonly status: number }[];
}

export interface Verdict {
  /** Events the senders hold a 202 for. */
  readonly accepted: number;
  readonly lost: number;
  readonly doubled: number;
  /** Outbox items nobody delivered, attempts without event, incidents without domain and the like. */
  readonly orphaned: number;
  readonly notifications: number;
  /** Notifications that reached the receiver under more than one id. */
  readonly notificationsSplit: number;
  readonly flaws: readonly Flaw[];
}

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** A whole installation under test: servers of its own, fault proxies between, senders, a receiver, and a look from outside. */
export interface World {
  readonly backend: Backend;
  readonly random: Random;
  /** Straight to the database, past the proxy. */
  readonly sql: Sql;
  readonly apis: readonly Replica[];
  readonly workers: readonly Replica[];
  readonly redis: WorldRedis | null;
  readonly postgres: WorldPostgres;
  readonly receiver: CountingReceiver;
  readonly domains: readonly string[];
  /** Names that nobody registered; drives with `unresolved` speak of them. */
  readonly strangers: readonly string[];
  /** Registers names over the organisations, trying again while nobody takes them. */
  readonly register: (names: readonly string[]) => Promise<void>;
  /** Sends one signed event by hand, to the first API unless told; gives the answer, whatever it is. No journal knows of it. */
  readonly tell: (
    event: Readonly<Record<string, unknown>> & { readonly domain: string },
    api?: number,
  ) => Promise<Answer>;
  /** Processes that ended although nobody ended them, with their last words; each was started again. A flaw, unless emptied. */
  readonly ends: string[];
  /** What was measured so far. */
  readonly figures: readonly Figure[];
  /** Folder of this run: journals, logs, data; kept when the verdict is bad. */
  readonly dir: string;
  readonly drive: (options?: DriveOptions) => Promise<Drive>;
  /** One line of progress, also into the run's log with its time. */
  readonly say: (text: string) => void;
  /** A measured figure, for the table. */
  readonly measured: (what: string, value: number, unit: 'ms' | 's' | '/s' | 'MB' | '') => void;
  /** Milliseconds from `since` (epoch ms) until the next event was applied. */
  readonly untilApplying: (since: number, timeoutMs?: number) => Promise<number>;
  /** Milliseconds from `since` (epoch ms) until the next 202. */
  readonly untilAccepting: (drive: Drive, since: number, timeoutMs?: number) => Promise<number>;
  /** Waits until no event is pending and the outbox is empty. */
  readonly untilSettled: (timeoutMs?: number) => Promise<void>;
  readonly check: () => Promise<Verdict>;
  readonly close: () => Promise<void>;
}

/** One row of the fault matrix (docs/reliability.md), or a figure that stands beside it. */
export interface Scenario {
  /** Number of the row, 1..35; figures beside the matrix have a name only. */
  readonly row: number | null;
  /** As `--rows` or `--only` name it: kebab-case. */
  readonly name: string;
  readonly title: string;
  /** Where it makes sense; default both. */
  readonly backends?: readonly Backend[];
  readonly world?: Omit<WorldOptions, 'backend' | 'seed'>;
  /** Makes the fault under load. The runner then stops every drive, waits until all is settled, and checks. */
  readonly run: (world: World) => Promise<void>;
  /** Expectations beyond the verdict; throws with what is not as it must be. */
  readonly expect?: (world: World) => Promise<void>;
}
