import { median } from '../bench/stats.ts';

/** A figure at a moment, in hours since the start. */
export interface Point {
  readonly hours: number;
  readonly value: number;
}

/** How much a figure may rise in an hour: a share of its own median, or where that is less, so much. */
export interface Limit {
  readonly share: number;
  readonly least: number;
}

export interface Judgement {
  readonly median: number;
  /** Rise in an hour. */
  readonly slope: number;
  readonly allowed: number;
  readonly flat: boolean;
}

/** Shorter runs than this are too short for a limit by the hour: theirs is that of a window of so many hours. */
const leastHours = 2 / 3;

/** The median of the slopes of all pairs of points (Theil–Sen): a third of them may be anything without moving it. */
export const theilSen = (points: readonly Point[]): number => {
  const slopes = points.flatMap((a, index) =>
    points.slice(index + 1).map((b) => (b.value - a.value) / (b.hours - a.hours)),
  );
  return median(slopes);
};

/** What counts: the last two thirds of a run. Before that, caches fill and retention has nothing to remove yet. */
export const judged = (points: readonly Point[]): readonly Point[] => {
  const end = points.at(-1)?.hours ?? 0;
  return points.filter(({ hours }) => hours >= end / 3);
};

/**
 * Whether a figure stays flat over the last two thirds of a run. A figure that falls is flat.
 *
 * @throws Error with fewer than four points to judge by
 */
export const judge = (points: readonly Point[], { share, least }: Limit): Judgement => {
  const window = judged(points);
  if (window.length < 4) throw new Error('The run is too short: fewer than four samples are left to judge by');
  const middle = median(window.map(({ value }) => value));
  const slope = theilSen(window);
  const hours = (window.at(-1)?.hours ?? 0) - (window[0]?.hours ?? 0);
  const allowed = Math.max(share * middle, least) * Math.max(1, leastHours / hours);
  return { median: middle, slope, allowed, flat: slope <= allowed };
};
