import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 20;
const sampleMs = 500;
const lagLimitMs = 50;
const fewest = 16;
/** After this long a probe is only waiting for its server, and makes room for one that would use the processor. */
const parkAfterMs = 250;
const parkedPerSlot = 8;

/** A place in a gate; `leave` gives it back, once. */
export type Leave = () => void;

export interface Gate {
  /** Waits for a place. */
  readonly enter: () => Promise<Leave>;
  /** Places in use. */
  readonly inside: () => number;
  readonly close: () => void;
}

/** The next limit: down by a quarter when the event loop lags, else up by a sixteenth of the most. */
export const nextLimit = (limit: number, most: number, lagMs: number): number =>
  lagMs > lagLimitMs
    ? Math.max(Math.min(fewest, most), Math.floor(limit * 0.75))
    : Math.min(most, limit + Math.ceil(most / 16));

/** Watches the lag of the event loop while there is work; `onSample` gets the mean lag in ms. */
const watchLag = (onSample: (lagMs: number) => void): { start: () => void; stop: () => void } => {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  let timer: NodeJS.Timeout | null = null;
  const sample = (): void => {
    if (delay.count > 0) onSample(delay.mean / 1e6 - resolutionMs);
    delay.reset();
  };
  return {
    start: () => {
      if (timer !== null) return;
      delay.reset();
      delay.enable();
      timer = setInterval(sample, sampleMs);
    },
    stop: () => {
      if (timer === null) return;
      clearInterval(timer);
      delay.disable();
      timer = null;
    },
  };
};

/**
 * Lets `most` probes work at once, fewer while the event loop lags. One that waits for its server for long is parked: it counts no
 * longer, so that servers that never answer cannot hold up the others; eight times as many may be parked.
 */
export const createGate = (most: number): Gate => {
  const waiting: (() => void)[] = [];
  let [limit, working, parked] = [most, 0, 0];
  const lag = watchLag((lagMs) => {
    limit = nextLimit(limit, most, lagMs);
    admit();
  });

  const place = (): Leave => {
    let state: 'working' | 'parked' | 'left' = 'working';
    working += 1;
    lag.start();
    const timer = setTimeout(() => {
      if (parked >= most * parkedPerSlot) return;
      state = 'parked';
      working -= 1;
      parked += 1;
      admit();
    }, parkAfterMs);
    return () => {
      if (state === 'left') return;
      clearTimeout(timer);
      if (state === 'parked') parked -= 1;
      else working -= 1;
      state = 'left';
      if (working + parked === 0) lag.stop();
      admit();
    };
  };

  const admit = (): void => {
    for (let free = limit - working; free > 0; free -= 1) waiting.shift()?.();
  };

  return {
    enter: () => {
      if (working < limit && waiting.length === 0) return Promise.resolve(place());
      return new Promise((resolve) => {
        waiting.push(() => resolve(place()));
      });
    },
    inside: () => working + parked,
    close: lag.stop,
  };
};
