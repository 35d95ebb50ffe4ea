import type { Measure } from './stats.ts';

const round = (value: number): string => {
  if (Number.isNaN(value)) return '';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
};

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** One Markdown table per part, a column for each number that any of its subjects has. */
export const tables = (measures: readonly Measure[]): string =>
  [...Map.groupBy(measures, ({ part }) => part)]
    .map(([part, group]) => {
      const columns = [...new Set(group.flatMap(({ values }) => Object.keys(values)))];
      const lines = group.map(({ subject, values }) =>
        row([subject, ...columns.map((name) => round(values[name] ?? Number.NaN))]),
      );
      return [row([part, ...columns]), row(['---', ...columns.map(() => '---:')]), ...lines].join('\n');
    })
    .join('\n\n');
