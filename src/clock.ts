import { setTimeout as sleep } from 'node:timers/promises';

/** Where the time comes from; all in ms. */
export interface TimeSources {
  /** Epoch time that everybody shares; its answer may take a while, and fail. */
  readonly shared: () => Promise<number>;
  /** Epoch time of this host, which somebody may set. */
  readonly own: () => number;
  /** A time that only goes forward. */
  readonly elapsed: () => number;
}

export interface ClockOptions {
  readonly everyMs: number;
  /** Told how far this host's clock is ahead, each time it is known anew. */
  readonly onFollowed: (skewMs: number) => void;
  /** Told when this host's clock goes away from the shared one by more than {@link tellAboveMs}, and when it is back. */
  readonly onSkew: (skewMs: number) => void;
  readonly onError: (error: unknown) => void;
}

export interface SharedClock {
  /** Shared epoch time in whole ms. Somebody who sets this host's clock does not change it. */
  readonly now: () => number;
  readonly stop: () => Promise<void>;
}

// Less than this may as well come from the way of the answer.
const toleranceMs = 500;
// An answer that took longer says too little about the moment it was given.
const slowMs = 2000;
const tellAboveMs = 30_000;

/**
 * A clock for all processes of an installation: it goes by the shared time, and from one question to the next by the time
 * that only goes forward. Before the first answer it is this host's.
 */
export const followClock = async (
  { shared, own, elapsed }: TimeSources,
  { everyMs, onFollowed, onSkew, onError }: ClockOptions,
): Promise<SharedClock> => {
  const stopping = new AbortController();
  let zero = own() - elapsed();
  let told = false;
  const now = (): number => Math.floor(zero + elapsed());

  const follow = async (): Promise<void> => {
    const asked = elapsed();
    const answer = await shared();
    const answered = elapsed();
    const seen = answer - (asked + answered) / 2;
    if (answered - asked <= slowMs && Math.abs(seen - zero) > toleranceMs) zero = seen;
    const skewMs = own() - now();
    onFollowed(skewMs);
    const far = Math.abs(skewMs) > tellAboveMs;
    if (far !== told) onSkew(skewMs);
    told = far;
  };
  await follow().catch(onError);

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => 'stopping');
      if (!stopping.signal.aborted) await follow().catch(onError);
    }
  };
  const running = run();
  return {
    now,
    stop: () => {
      stopping.abort();
      return running;
    },
  };
};
