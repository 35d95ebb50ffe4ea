import { readFileSync } from 'node:fs';

/** One figure of one round: which case, what was measured, and its numbers by name. */
export interface Measure {
  readonly part: string;
  readonly subject: string;
  readonly values: Readonly<Record<string, number>>;
}

/** The value below which the share `p` (0..1) of sorted numbers lies; NaN of none. */
export const percentile = (sorted: ArrayLike<number>, p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;

export const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  return Number.isInteger(middle) ? (low + (sorted[middle] ?? Number.NaN)) / 2 : low;
};

/** The rounds of each subject as one measure with their medians, in the order in which the subjects came first. */
export const medians = (rounds: readonly Measure[]): Measure[] => {
  const groups = Map.groupBy(rounds, ({ part, subject }) => JSON.stringify([part, subject]));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const values = Object.fromEntries(
      Object.keys(first.values).map((name) => [name, median(group.map((one) => one.values[name] ?? Number.NaN))]),
    );
    return [{ ...first, values }];
  });
};

// USER_HZ, which Linux fixes at 100 for what it shows in /proc.
const tickMs = 10;

const fieldsOf = (pid: number): number[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; the numbers begin after it with field 3.
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
};

/** Milliseconds of CPU that a process has used, user and system. */
export const cpuOf = (pid: number): number => {
  const fields = fieldsOf(pid);
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) * tickMs;
};

/** The same for a process and all its children, the living and those it has waited for: PostgreSQL and its backends. */
export const cpuOfFamily = (pid: number): number => {
  const fields = fieldsOf(pid);
  const ended = ((fields[13] ?? 0) + (fields[14] ?? 0)) * tickMs;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + cpuOfOr0(Number(child)), cpuOf(pid) + ended);
};

const cpuOfOr0 = (pid: number): number => {
  try {
    return cpuOf(pid);
  } catch {
    return 0; // ended since it was listed
  }
};

/** Resident memory of a process in MB. */
export const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

/** Reads a process's resident memory twice a second and keeps the largest. */
export const watchMemory = (pids: Readonly<Record<string, number>>) => {
  const most: Record<string, number> = {};
  const look = (): void => {
    for (const [name, pid] of Object.entries(pids)) most[name] = Math.max(most[name] ?? 0, rssOf(pid));
  };
  look();
  const timer = setInterval(look, 500);
  return {
    /** The most of each since the start, as `<name> MB`. */
    stop: (): Record<string, number> => {
      clearInterval(timer);
      look();
      return Object.fromEntries(Object.entries(most).map(([name, mb]) => [`${name} MB`, mb]));
    },
  };
};
