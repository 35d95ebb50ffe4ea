import type { Tx } from './client.ts';

/** Where a step begins and which rows are old; times are epoch milliseconds. */
export interface StepOf {
  /** The key after which it begins; null at the first step of a round. */
  readonly after: string | null;
  readonly cutoff: number;
  readonly now: number;
}

/** What a step did. */
export interface Stepped {
  /** The last key that it looked at; null when it came to the end of what is old. */
  readonly last: string | null;
  readonly removed: number;
}

/** Removes some old rows, by key, in the caller's transaction: short, and without waiting for a lock. */
export type Step = (tx: Tx, step: StepOf) => Promise<Stepped>;
