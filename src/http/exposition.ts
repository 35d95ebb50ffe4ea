const bound = /(?<=[{,])le="([^"]*)"/;

interface Line {
  readonly text: string;
  readonly name: string;
  readonly labels: string;
  readonly le: number;
}

const readLine = (text: string): Line => {
  const [name = ''] = /^[^{ ]+/.exec(text) ?? [];
  const le = bound.exec(text)?.[1];
  const end = text.lastIndexOf('} ');
  const labels = end < 0 ? '' : text.slice(name.length, end).replace(bound, '');
  return { text, name, labels, le: le === undefined ? 0 : le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) };
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

// The text format wants the buckets of a histogram in the order of their bounds, which is not that of their text.
const byLine = (a: Line, b: Line): number =>
  compare(a.name, b.name) || compare(a.labels, b.labels) || (a.le === b.le ? 0 : a.le - b.le);

/**
 * Brings an exposition in the Prometheus text format 0.0.4 into one order: families by name, samples by name and labels,
 * buckets by their bound. Equal values so give equal text, in whatever order they were first set.
 */
export const sortExposition = (text: string): string => {
  const families = text.split(/\n(?=# HELP )/).map((family) => {
    const lines = family.split('\n').filter((line) => line !== '');
    const head = lines.filter((line) => line.startsWith('#'));
    const samples = lines
      .filter((line) => !line.startsWith('#'))
      .map(readLine)
      .sort(byLine);
    return { name: head[0]?.split(' ')[2] ?? '', text: [...head, ...samples.map((line) => line.text)].join('\n') };
  });
  const sorted = families.filter((family) => family.text !== '').sort((a, b) => compare(a.name, b.name));
  return `${sorted.map((family) => family.text).join('\n')}\n`;
};
