import type { Infrastructure } from './infrastructure.ts';
import type { Measure } from './stats.ts';

/** What the command line asks for. */
export interface Options {
  readonly rounds: number;
  /** Length of each timed run. */
  readonly seconds: number;
  readonly peers: boolean;
  /** Adds the runs with a million events waiting. */
  readonly scale: boolean;
  /** Folder for CPU profiles of the product's processes; null for none. */
  readonly profiles: string | null;
}

/** One case of the benchmark: measures once; the caller repeats it and takes medians. */
export type Case = (infrastructure: Infrastructure, options: Options) => Promise<Measure[]>;

/** As many clients as senders that all report at once. */
export const connections = 200;
/** Requests before the clock starts, so that code is compiled and pools are open. */
export const warmUpSeconds = 2;
