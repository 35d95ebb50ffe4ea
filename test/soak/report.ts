import { limitOf, type Sample } from './sample.ts';
import { judge, judged, type Judgement, type Point } from './slope.ts';

export interface Line extends Judgement {
  readonly name: string;
  /** First and last value of the window that is judged. */
  readonly first: number;
  readonly last: number;
}

const namesOf = (samples: readonly Sample[]): string[] => [
  ...new Set(samples.flatMap(({ figures }) => Object.keys(figures))),
];

const pointsOf = (samples: readonly Sample[], name: string): Point[] =>
  samples.flatMap(({ seconds, figures }) => {
    const value = figures[name];
    return value === undefined || Number.isNaN(value) ? [] : [{ hours: seconds / 3600, value }];
  });

/** The samples, a row each. */
export const csv = (samples: readonly Sample[]): string => {
  const names = namesOf(samples);
  const rows = samples.map(({ seconds, figures }) =>
    [seconds.toFixed(1), ...names.map((name) => (figures[name] ?? Number.NaN).toFixed(3).replace(/^NaN$/, ''))].join(
      ',',
    ),
  );
  return `${['seconds', ...names].join(',')}\n${rows.join('\n')}\n`;
};

/** Every figure that has a limit, judged. Tables below a megabyte are left out. */
export const judgeAll = (samples: readonly Sample[]): Line[] =>
  namesOf(samples).flatMap((name) => {
    const limit = limitOf(name);
    if (limit === undefined) return [];
    const points = pointsOf(samples, name);
    const window = judged(points);
    const [first, last] = [window[0]?.value ?? 0, window.at(-1)?.value ?? 0];
    if (name.startsWith('table ') && Math.max(first, last) < 1) return [];
    return [{ name, first, last, ...judge(points, limit) }];
  });

const shown = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(Math.abs(value) >= 100 ? 0 : 1);

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** What was judged, as a Markdown table. */
export const table = (lines: readonly Line[]): string =>
  [
    row(['figure', 'median', 'first', 'last', 'rise an hour', 'allowed', '']),
    row(['---', '---:', '---:', '---:', '---:', '---:', '---']),
    ...lines.map(({ name, median, first, last, slope, allowed, flat }) =>
      row([name, ...[median, first, last, slope, allowed].map(shown), flat ? 'flat' : '**RISES**']),
    ),
  ].join('\n');
