import type { FC } from 'hono/jsx';
import { count, counted } from '../format.ts';

const dayMs = 86_400_000;
const cell = { width: 42, height: 22, left: 62, top: 20 } as const;
const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;

/** One day of the calendar: `date` as 2026-11-21, certificates that end then, and how many of them are past renewal due. */
export interface CalendarDay {
  readonly date: string;
  readonly expiring: number;
  readonly overdue: number;
}

/** The least numbers of classes 1 to 5, by the size of the fleet: fixed steps, so that a colour means the same tomorrow. */
export const heatSteps = (fleet: number): readonly number[] => {
  if (fleet <= 1000) return [1, 3, 10, 30, 100];
  if (fleet <= 10_000) return [1, 10, 30, 100, 300];
  if (fleet <= 100_000) return [1, 25, 100, 600, 1200];
  return [1, 250, 1000, 6000, 12_000];
};

/** The class of a number, 0 to 5. */
export const heatClass = (n: number, steps: readonly number[]): number => steps.filter((least) => n >= least).length;

const named = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' });
const short = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const shortDate = (at: number): string => short.format(at).replace('Sept', 'Sep');
const weekday = (at: number): number => (new Date(at).getUTCDay() + 6) % 7;

interface CellProps {
  readonly day: CalendarDay;
  readonly row: number;
  readonly steps: readonly number[];
  readonly today: boolean;
  readonly link: string;
}

const Cell: FC<CellProps> = ({ day, row, steps, today, link }) => {
  const at = Date.parse(day.date);
  const x = cell.left + weekday(at) * cell.width;
  const y = cell.top + row * cell.height;
  const step = heatClass(day.expiring, steps);
  const shade = step === 0 ? 'zero' : step >= 4 ? 'high' : 'low';
  const says = `${named.format(at)}: ${count(day.expiring)} expire${day.overdue > 0 ? `, ${count(day.overdue)} past renewal due` : ''}`;
  return (
    <a href={link} class={`h${step} ${shade}${today ? ' today' : ''}`} aria-label={says}>
      <title>{says}</title>
      <rect
        x={x + (today ? 1 : 0)}
        y={y + (today ? 1 : 0)}
        width={cell.width - (today ? 2 : 0)}
        height={cell.height - (today ? 2 : 0)}
        rx="3"
      />
      {day.overdue > 0 && <path class="due" d={`M${x + cell.width - 13} ${y + 1}h12v12z`} />}
      <text x={x + cell.width / 2} y={y + 15} text-anchor="middle">
        {count(day.expiring)}
      </text>
    </a>
  );
};

const stepText = (steps: readonly number[], index: number): string => {
  const [least, next] = [steps[index] ?? 0, steps[index + 1]];
  if (next === undefined) return `${count(least)} or more`;
  return least === next - 1 ? count(least) : `${count(least)}–${count(next - 1)}`;
};

const CalendarKey: FC<{ steps: readonly number[]; overdue: boolean }> = ({ steps, overdue }) => (
  <p class="key">
    {steps.map((_, index) => (
      <span>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <rect class={`h${index + 1}f`} width="12" height="12" rx="2" />
        </svg>
        {stepText(steps, index)}
      </span>
    ))}
    {overdue && (
      <span>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <path class="due" d="M0 0h12v12z" />
        </svg>
        some past renewal due
      </span>
    )}
  </p>
);

interface CalendarProps {
  /** Consecutive days from today on. */
  readonly days: readonly CalendarDay[];
  readonly fleet: number;
  /** Address of the list of a day. */
  readonly linkOf: (date: string) => string;
}

/** When certificates end, a row for each week from Monday, as on a wall; each day leads to its list. */
export const ExpiryCalendar: FC<CalendarProps> = ({ days, fleet, linkOf }) => {
  const first = days[0];
  if (first === undefined) return null;
  const steps = heatSteps(fleet);
  const start = Date.parse(first.date) - weekday(Date.parse(first.date)) * dayMs;
  const rowOf = (date: string): number => Math.floor((Date.parse(date) - start) / (7 * dayMs));
  const rows = rowOf(days.at(-1)?.date ?? first.date) + 1;
  const tall = cell.top + rows * cell.height + 10;
  const total = days.reduce((sum, { expiring }) => sum + expiring, 0);
  return (
    <div class="heat">
      <svg
        width="356"
        height={tall}
        viewBox={`0 0 356 ${tall}`}
        role="group"
        aria-label={`${counted(total, 'certificate')} by the day of their end, ${days.length} days from today`}
      >
        {weekdays.map((name, index) => (
          <text x={cell.left + index * cell.width + cell.width / 2} y="13" text-anchor="middle">
            {name}
          </text>
        ))}
        {Array.from({ length: rows }, (_, row) => (
          <text x="54" y={cell.top + row * cell.height + 15} text-anchor="end">
            {shortDate(start + row * 7 * dayMs)}
          </text>
        ))}
        {days.map((day, index) => (
          <Cell day={day} row={rowOf(day.date)} steps={steps} today={index === 0} link={linkOf(day.date)} />
        ))}
      </svg>
      <CalendarKey steps={steps} overdue={days.some(({ overdue }) => overdue > 0)} />
    </div>
  );
};
