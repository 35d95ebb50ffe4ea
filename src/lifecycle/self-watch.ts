import { type ErrorClass, errorClasses } from './types.ts';

const dayMs = 86_400_000;
/** A source has a usual interval once it has sent this many events over at least a day. */
const judgedFromEvents = 10;
/** A source that has been silent for so long beyond its time is taken for gone. */
const goneAfterMs = 30 * dayMs;

/** What is known of a sender; times are epoch milliseconds. `firstAt` is that of the first event that is kept. */
export interface SourceRhythm {
  readonly source: string;
  readonly clusterId: string | null;
  readonly eventsTotal: number;
  readonly firstAt: number;
  readonly lastSeenAt: number;
}

/** A sender that has been silent for longer than is usual for it. */
export interface SilentSource {
  readonly source: string;
  readonly clusterId: string | null;
  /** Epoch ms of its last event. */
  readonly since: number;
  /** The usual time between two of its events. */
  readonly expectedIntervalMs: number;
}

/**
 * The usual time between two events of a sender (ms): from the first event that is kept to the last, over their number. Null
 * where it sent too few, or all within a day.
 */
export const usualIntervalOf = ({ eventsTotal, firstAt, lastSeenAt }: SourceRhythm): number | null => {
  const span = lastSeenAt - firstAt;
  return eventsTotal < judgedFromEvents || span < dayMs ? null : span / (eventsTotal - 1);
};

/**
 * Whether a sender is silent against its own rhythm: for more than three times its usual interval, at least a day. Null: it is not, or cannot be judged, or has
 * been away for so long that nobody expects it.
 */
export const silenceOf = (rhythm: SourceRhythm, now: number): SilentSource | null => {
  const { source, clusterId, lastSeenAt } = rhythm;
  const expectedIntervalMs = usualIntervalOf(rhythm);
  if (expectedIntervalMs === null) return null;
  const allowed = Math.max(3 * expectedIntervalMs, dayMs);
  const quiet = now - lastSeenAt;
  if (quiet <= allowed || quiet > allowed + goneAfterMs) return null;
  return { source, clusterId, since: lastSeenAt, expectedIntervalMs };
};

/** Failed tries of one class: within the last minutes, and within the day before them. */
export interface FailedTries {
  readonly errorClass: ErrorClass;
  readonly recent: number;
  readonly before: number;
}

/** Many more failed tries of a class than it is used to. */
export interface ErrorSpike {
  readonly errorClass: ErrorClass;
  /** Failed tries within the last {@link spikeMinutes}. */
  readonly recent: number;
  /** As many as there usually are in such a time, by the day before. */
  readonly usual: number;
}

/** Minutes that are held against the day before them. */
export const spikeMinutes = 10;
const windowsOfADay = (24 * 60) / spikeMinutes;
const fewestTries = 20;
const timesUsual = 5;

/** Whether a class fails far more often than usual: at least 20 tries within ten minutes, and more than five times the mean. */
export const spikeOf = ({ errorClass, recent, before }: FailedTries): ErrorSpike | null => {
  const usual = before / windowsOfADay;
  return recent >= fewestTries && recent > timesUsual * usual ? { errorClass, recent, usual } : null;
};

/** The classes that fail far more often than usual, the worst first. */
export const spikesOf = (tries: readonly FailedTries[]): ErrorSpike[] =>
  tries
    .flatMap((one) => spikeOf(one) ?? [])
    .toSorted((a, b) => b.recent - a.recent || errorClasses.indexOf(a.errorClass) - errorClasses.indexOf(b.errorClass));

/** Replays from which on an event that failed again counts as going round in circles. */
export const loopReplays = 3;

/** Events that were replayed at least {@link loopReplays} times and failed again; `since` is the oldest of those failures. */
export interface ReplayLoops {
  readonly events: number;
  readonly since: number | null;
}
