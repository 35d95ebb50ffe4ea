import type { Result } from './run.ts';

const cells = (result: Result): string[] => {
  const { row, name, backend, seed, ok, verdict, ackP99, seconds } = result;
  const said = (value: number | undefined): string => (value === undefined ? '?' : String(value));
  return [
    row === null ? '' : String(row),
    name,
    backend,
    String(seed),
    said(verdict?.accepted),
    said(verdict?.lost),
    said(verdict?.doubled),
    said(verdict?.orphaned),
    said(verdict?.notifications),
    said(verdict?.notificationsSplit),
    Number.isNaN(ackP99) ? '' : ackP99.toFixed(0),
    seconds.toFixed(0),
    ok ? 'ok' : 'BROKEN',
  ];
};

const heads = [
  'row',
  'scenario',
  'backend',
  'seed',
  'accepted',
  'lost',
  'doubled',
  'orphaned',
  'notices',
  'split',
  'ack p99 ms',
  's',
  '',
];

const aligned = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`.replace(/\s+$/, ''),
  );
};

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const [first = '', ...rest] = aligned([head, ...rows]);
  return [first, first.replaceAll(/[^|]/g, '-'), ...rest];
};

/** What was measured: for each thing the number of runs, the median and the worst. */
const figures = (results: readonly Result[]): string[] => {
  const all = results.flatMap(({ name, backend, figures: found }) =>
    found.map((figure) => ({ ...figure, name, backend })),
  );
  if (all.length === 0) return [];
  const rows = [
    ...Map.groupBy(all, ({ name, backend, what, unit }) => JSON.stringify([name, backend, what, unit])),
  ].map(([, group]) => {
    const values = group.map(({ value }) => value).toSorted((a, b) => a - b);
    const shown = (at: number): string => (values[at] ?? 0).toFixed((values.at(-1) ?? 0) < 100 ? 2 : 0);
    const [one] = group;
    return [
      one?.name ?? '',
      one?.backend ?? '',
      one?.what ?? '',
      String(values.length),
      shown(Math.floor((values.length - 1) / 2)),
      shown(values.length - 1),
      one?.unit ?? '',
    ];
  });
  return ['', ...tableOf(['scenario', 'backend', 'measured', 'n', 'median', 'worst', ''], rows)];
};

/** The results as text: one line for each run, what was measured, and where to look at what went wrong. */
export const tables = (results: readonly Result[]): string => {
  const broken = results.filter(({ ok }) => !ok);
  return [
    ...tableOf(heads, results.map(cells)),
    ...figures(results),
    '',
    ...broken.flatMap(({ name, backend, seed, errors, verdict, dir }) => [
      `${name} on ${backend}, seed ${seed}: ${errors.length} errors, ${verdict?.flaws.length ?? 0} flaws; log in ${dir}`,
      `  repeat: npm run chaos -- --only ${name} --backend ${backend} --seed ${seed}`,
    ]),
    broken.length === 0 ? 'nothing lost, nothing doubled' : `${broken.length} of ${results.length} runs are broken`,
  ].join('\n');
};
