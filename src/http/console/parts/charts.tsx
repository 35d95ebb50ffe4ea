import type { Child, FC } from 'hono/jsx';

interface Line {
  readonly name: string;
  /** Values from old to new; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly tone: 'a' | 'b' | 'c';
  readonly dashed?: boolean;
}

const width = 600;
const height = 60;
const round = (n: number): string => String(Math.round(n * 10) / 10);

/** Steps of a path through values; a null breaks it, and a value alone between two gaps is a short dash. */
export const pathOf = (values: readonly (number | null)[], most: number): string => {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const y = (value: number): string => round(height - 1 - (most === 0 ? 0 : (value / most) * (height - 3)));
  return values
    .flatMap((value, index) => {
      if (value === null) return [];
      const fresh = (values[index - 1] ?? null) === null;
      const alone = fresh && (values[index + 1] ?? null) === null;
      const x = round(index * step);
      return [`${fresh ? 'M' : 'L'}${x} ${y(value)}${alone ? 'h1' : ''}`];
    })
    .join('');
};

const Key: FC<{ lines: readonly Line[] }> = ({ lines }) => (
  <span class="key">
    {lines.map(({ name, tone, dashed = false }) => (
      <span>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <path class={`line ${tone}${dashed ? ' dash' : ''}`} d="M0 6H12" />
        </svg>
        {name}
      </span>
    ))}
  </span>
);

interface LineChartProps {
  /** The numbers of now, in words; they say all that the chart does not. */
  readonly title: Child;
  readonly lines: readonly Line[];
  /** Labels below, from left to right. */
  readonly axis: readonly string[];
  /** Shaded stretches, as incidents: shares of the width from 0 to 1. */
  readonly bands?: readonly { readonly from: number; readonly to: number }[];
}

/** One or two lines over the same time. The numbers stand in its title, so assistive technology is spared the drawing. */
export const LineChart: FC<LineChartProps> = ({ title, lines, axis, bands = [] }) => {
  const most = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return (
    <figure class="chart">
      <figcaption class="chart-head">
        <span>{title}</span>
        {lines.length > 1 && <Key lines={lines} />}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        {bands.map(({ from, to }) => (
          <rect class="band" x={round(from * width)} width={round((to - from) * width)} y="0" height={height} />
        ))}
        <path class="rule" d={`M0 1H${width}M0 ${height / 2}H${width}`} />
        {lines.map(({ values, tone, dashed = false }) => (
          <path class={`line ${tone}${dashed ? ' dash' : ''}`} d={pathOf(values, most)} />
        ))}
      </svg>
      <div class="axis" aria-hidden="true">
        {axis.map((label) => (
          <span>{label}</span>
        ))}
      </div>
    </figure>
  );
};

/** Counts by hour as bars, old to new, in a cell of a table: the shape of a burst. The number stands in another cell. */
export const Bars: FC<{ values: readonly number[]; label?: string }> = ({ values, label }) => {
  const most = Math.max(1, ...values);
  const unit = {
    role: label === undefined ? undefined : 'img',
    'aria-label': label,
    'aria-hidden': label === undefined ? 'true' : undefined,
  };
  return (
    <svg class="spark" viewBox={`0 0 ${values.length * 4} 18`} preserveAspectRatio="none" {...unit}>
      {values.map((value, index) => {
        const tall = value === 0 ? 0 : Math.max(2, Math.round((value / most) * 17));
        return tall === 0 ? null : <rect x={index * 4} y={18 - tall} width="3" height={tall} />;
      })}
    </svg>
  );
};
