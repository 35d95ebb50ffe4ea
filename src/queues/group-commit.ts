import { withinMs } from './bounded.ts';
import { late, patienceMs as senderPatienceMs, tooMany } from './patience.ts';

export interface GroupCommit<T, R> {
  /** Resolves with the item's own result once its group is committed; rejects `unavailable` when too many already wait. */
  readonly submit: (item: T) => Promise<R>;
  /** Resolves when nothing waits and nothing is being committed. */
  readonly idle: () => Promise<void>;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

// Small groups cost nearly as much as large ones: under a light load it is better to let one grow than to begin another.
const furtherLane = 10;

export interface GroupCommitOptions<T> {
  /** Most items of one commit, or their weight where they have one; a single item may weigh more. */
  readonly maxSize: number;
  readonly weigh?: (item: T) => number;
  /** Most items that may wait. */
  readonly limit: number;
  /** Commits that may run at once; a further one begins only when a tenth of `maxSize` waits, or all others are slow. */
  readonly lanes: number;
  /** A commit that takes longer counts as slow, in ms; 250 unless said otherwise. */
  readonly slowMs?: number;
  /** Longest wait for a commit, in ms; that of a sender unless said otherwise. */
  readonly patienceMs?: number;
}

const answer = <T, R>(group: readonly Waiting<T, R>[], results: readonly R[]): void => {
  group.forEach(({ resolve, reject }, index) => {
    const result = results[index];
    if (result === undefined) reject(new Error('a commit gave fewer results than items'));
    else resolve(result);
  });
};

/** How many items of these weights fit into one commit, at least one, and what they weigh together. */
const fitting = (weights: readonly number[], maxSize: number): { size: number; weight: number } => {
  let [size, weight] = [0, 0];
  for (const one of weights) {
    if (size > 0 && weight + one > maxSize) break;
    [size, weight] = [size + 1, weight + one];
  }
  return { size, weight };
};

/** Counts what runs, and what of it is not slow yet. */
const laneCounter = (slowMs: number, onSlow: () => void) => {
  const lanes = { running: 0, brisk: 0 };
  const enter = (): (() => void) => {
    lanes.running += 1;
    lanes.brisk += 1;
    let slow = false;
    const timer = setTimeout(() => {
      slow = true;
      lanes.brisk -= 1;
      onSlow();
    }, slowMs);
    return () => {
      clearTimeout(timer);
      lanes.running -= 1;
      if (!slow) lanes.brisk -= 1;
    };
  };
  return { lanes, enter };
};

/**
 * Group commit without a timer: whatever arrives while a commit runs goes into the next one. An idle committer takes a
 * single item at once; a busy one makes its groups as large as the load. A slow commit, one that waits for a lock, holds up
 * only its own items. A commit that is late goes on by itself: its items are rejected `unavailable`, and those that wait as
 * well when no other commit gets on, so that nobody waits longer than `patienceMs`.
 *
 * @param commit writes a group and answers for each item, in order; a rejection is the whole group's
 */
export const groupCommit = <T, R>(
  { maxSize, weigh = () => 1, limit, lanes: most, slowMs = 250, patienceMs = senderPatienceMs }: GroupCommitOptions<T>,
  commit: (items: readonly T[]) => Promise<readonly R[]>,
): GroupCommit<T, R> => {
  const waiting: Waiting<T, R>[] = [];
  let waitingWeight = 0;
  const idlers: (() => void)[] = [];
  const { lanes, enter } = laneCounter(slowMs, () => void pump());

  const take = (): Waiting<T, R>[] => {
    const weights = waiting.map(({ item }) => weigh(item));
    const { size, weight } = fitting(weights, maxSize);
    waitingWeight -= weight;
    return waiting.splice(0, size);
  };

  const rejectWaiting = (): void => {
    waitingWeight = 0;
    for (const { reject } of waiting.splice(0)) reject(late());
  };

  const runGroup = async (group: readonly Waiting<T, R>[]): Promise<void> => {
    try {
      const work = commit(group.map(({ item }) => item));
      if ((await withinMs(work, patienceMs)) === 'late') {
        for (const { reject } of group) reject(late());
        if (lanes.brisk === 0) rejectWaiting();
        return;
      }
      answer(group, await work);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  };

  const worthwhile = (): boolean =>
    waiting.length > 0 && lanes.running < most && (lanes.brisk === 0 || waitingWeight * furtherLane >= maxSize);

  /** Runs groups while there is reason to; a group's failure is told to its own items, so it never rejects. */
  const pump = async (): Promise<void> => {
    while (worthwhile()) {
      const leave = enter();
      await runGroup(take());
      leave();
    }
    if (lanes.running > 0 || waiting.length > 0) return;
    for (const wake of idlers.splice(0)) wake();
  };

  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= limit) {
          reject(tooMany());
          return;
        }
        waiting.push({ item, resolve, reject });
        waitingWeight += weigh(item);
        // Requests that arrive in one turn of the event loop share the first group as well.
        if (lanes.running < most) setImmediate(() => void pump());
      }),
    idle: async () => {
      if (lanes.running > 0 || waiting.length > 0) await new Promise<void>((resolve) => idlers.push(resolve));
    },
  };
};
