import type { Child, FC } from 'hono/jsx';
import { count } from '../format.ts';

/** The parts of a bar: applied, failed again, skipped; what is missing to the total is left. */
interface Done {
  readonly ok: number;
  readonly bad: number;
  readonly skipped: number;
  readonly total: number;
}

const Swatch: FC<{ kind: string }> = ({ kind }) => (
  <svg viewBox="0 0 12 12" aria-hidden="true">
    <rect class={`bar-${kind}`} width="12" height="12" rx="2" />
  </svg>
);

/** How far something is, drawn with widths that are no styles. */
export const ProgressBar: FC<Done & { label: string }> = ({ ok, bad, skipped, total, label }) => {
  const scale = total === 0 ? 0 : 1000 / total;
  const done = ok + bad + skipped;
  return (
    <svg
      class="bar"
      viewBox="0 0 1000 8"
      preserveAspectRatio="none"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={done}
      aria-valuetext={`${count(done)} of ${count(total)} done`}
    >
      <rect class="bar-ok" width={ok * scale} height="8" />
      <rect class="bar-bad" x={ok * scale} width={bad * scale} height="8" />
      <rect class="bar-skip" x={(ok + bad) * scale} width={skipped * scale} height="8" />
    </svg>
  );
};

/** The numbers of a bar in words: `121 applied`, `3 failed again`, `25 skipped`, `62 left, about 31 s`. */
export const ProgressKey: FC<Done & { left?: Child; skippedWhy?: string }> = ({
  ok,
  bad,
  skipped,
  total,
  left,
  skippedWhy,
}) => (
  <p class="key">
    <span>
      <Swatch kind="ok" />
      {count(ok)} applied
    </span>
    {bad > 0 && (
      <span>
        <Swatch kind="bad" />
        {count(bad)} failed again
      </span>
    )}
    {skipped > 0 && (
      <span>
        <Swatch kind="skip" />
        {count(skipped)} skipped{skippedWhy === undefined ? '' : `, ${skippedWhy}`}
      </span>
    )}
    <span>
      {count(Math.max(0, total - ok - bad - skipped))} left{left}
    </span>
  </p>
);

/** Tries of a notice or event as dots: failed ones filled, those not used empty, and `2/5` or other words beside them. */
export const Tries: FC<{ made: number; most: number; good?: boolean; children?: Child }> = ({
  made,
  most,
  good = false,
  children,
}) => (
  <span class="tried">
    {most <= 10 && (
      <svg class="tries" viewBox={`0 0 ${most * 7 + 1} 10`} width={most * 7 + 1} height="10" aria-hidden="true">
        {Array.from({ length: most }, (_, index) => {
          const last = good && index === made - 1;
          return (
            <circle
              class={index >= made ? 'try' : last ? 'try try-ok' : 'try try-bad'}
              cx={index * 7 + 4}
              cy="5"
              r="2.5"
            />
          );
        })}
      </svg>
    )}
    {children ?? `${made}/${most}`}
  </span>
);
