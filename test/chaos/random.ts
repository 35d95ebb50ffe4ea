import { seeded } from '../support/driver.ts';

/** Numbers that a seed fixes, so that a run can be repeated. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** low ≤ n ≤ high, whole. */
  between(low: number, high: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
  chance(share: number): boolean;
  shuffle<T>(items: readonly T[]): T[];
}

export const randomOf = (seed: number): Random => {
  const next = seeded(seed);
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between,
    pick: (items) => items[between(0, items.length - 1)] ?? items[0],
    chance: (share) => next() < share,
    shuffle: (items) =>
      items
        .map((item) => ({ item, key: next() }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ item }) => item),
  };
};
