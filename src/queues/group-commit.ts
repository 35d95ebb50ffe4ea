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
  /** Commits that may run at once; a further one begins only when a tenth of `maxSize` waits. */
  readonly lanes: number;
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

/**
 * Group commit without a timer: whatever arrives while a commit runs goes into the next one. An idle committer takes a
 * single item at once; a busy one makes its groups as large as the load. A commit that is late goes on by itself: its
 * items and those that wait behind it are rejected `unavailable`, so that nobody waits longer than `patienceMs`.
 *
 * @param commit writes a group and answers for each item, in order; a rejection is the whole group's
 */
export const groupCommit = <T, R>(
  { maxSize, weigh = () => 1, limit, lanes, patienceMs = senderPatienceMs }: GroupCommitOptions<T>,
  commit: (items: readonly T[]) => Promise<readonly R[]>,
): GroupCommit<T, R> => {
  const waiting: Waiting<T, R>[] = [];
  let running = 0;
  let waitingWeight = 0;
  let idlers: (() => void)[] = [];

  const runGroup = async (group: readonly Waiting<T, R>[]): Promise<void> => {
    try {
      const work = commit(group.map(({ item }) => item));
      if ((await withinMs(work, patienceMs)) === 'late') {
        waitingWeight = 0;
        for (const { reject } of [...group, ...waiting.splice(0)]) reject(late());
        return;
      }
      answer(group, await work);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  };

  const takeGroup = (): Waiting<T, R>[] => {
    let size = 0;
    let weight = 0;
    for (const { item } of waiting) {
      const next = weight + weigh(item);
      if (size > 0 && next > maxSize) break;
      weight = next;
      size += 1;
    }
    waitingWeight -= weight;
    return waiting.splice(0, size);
  };

  /** Whether a commit beside `others` is worth its own cost: always the first, a further one only for enough items. */
  const worthwhile = (others: number): boolean =>
    waiting.length > 0 && (others === 0 || (others < lanes && waitingWeight * furtherLane >= maxSize));

  const pump = async (): Promise<void> => {
    running += 1;
    while (worthwhile(running - 1)) await runGroup(takeGroup());
    running -= 1;
    if (running > 0) return;
    for (const wake of idlers) wake();
    idlers = [];
  };

  // A group's failure is told to its own items; pump itself never rejects.
  const start = (): Promise<void> | null => (worthwhile(running) ? pump() : null);

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
        if (running < lanes) setImmediate(() => void start());
      }),
    idle: async () => {
      if (running > 0 || waiting.length > 0) await new Promise<void>((resolve) => idlers.push(resolve));
    },
  };
};
