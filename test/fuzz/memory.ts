import { readFileSync } from 'node:fs';

/** Memory of a process at a moment, in MB; the moment in seconds since the first sample. */
export interface Sample {
  readonly at: number;
  readonly rss: number;
}

const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;

/** Looks at a process's memory every so often until stopped. */
export const watchMemory = (pid: number, everyMs: number) => {
  const started = performance.now();
  const samples: Sample[] = [];
  const take = (): void => void samples.push({ at: (performance.now() - started) / 1000, rss: residentMb(pid) });
  take();
  const timer = setInterval(take, everyMs);
  return {
    stop: (): readonly Sample[] => {
      clearInterval(timer);
      take();
      return samples;
    },
  };
};

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
};

/**
 * How fast memory grows once a process has settled, in MB a minute: the median of the slopes between all pairs of samples
 * (Theil–Sen) in the last two thirds, which single peaks of garbage do not move.
 */
export const slopeOf = (samples: readonly Sample[]): number => {
  const settled = samples.slice(Math.floor(samples.length / 3));
  const slopes = settled.flatMap((a, i) => settled.slice(i + 1).map((b) => ((b.rss - a.rss) / (b.at - a.at)) * 60));
  return median(slopes);
};
