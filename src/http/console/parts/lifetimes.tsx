import type { FC } from 'hono/jsx';
import { dateText, dayText, span } from '../format.ts';
import { useView } from '../view.ts';

/** A certificate on the axis of deadlines. Times are epoch milliseconds. */
export interface Lifetime {
  /** What it is, as a sentence has it: `Expected certificate`. */
  readonly name: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly renewalDue: number | null;
  /** `expected`, or `old` for one that should no longer be served. */
  readonly kind: 'expected' | 'old';
}

const day = 86_400_000;
const rowHeight = 66;
const top = 18;

const percent = (share: number): string => `${Math.round(share * 10_000) / 100}%`;

/** First days of the months within a range (UTC), at most eight. */
export const monthsWithin = (from: number, to: number): number[] => {
  const start = new Date(from);
  const months: number[] = [];
  for (let n = 1; n < 240; n += 1) {
    const at = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + n, 1);
    if (at >= to) break;
    months.push(at);
  }
  const every = Math.ceil(months.length / 8);
  return months.filter((_, index) => index % every === 0);
};

const month = new Intl.DateTimeFormat('en-GB', { month: 'short', timeZone: 'UTC' });
const monthText = (at: number): string => {
  const name = month.format(at).slice(0, 3);
  return name === 'Jan' ? `Jan ${new Date(at).getUTCFullYear()}` : name;
};

interface BarProps {
  readonly life: Lifetime;
  readonly row: number;
  readonly shareOf: (at: number) => number;
}

const anchorAt = (share: number): 'start' | 'middle' | 'end' =>
  share < 0.12 ? 'start' : share > 0.88 ? 'end' : 'middle';

const Bar: FC<BarProps> = ({ life, row, shareOf }) => {
  const { now, preferences } = useView();
  const { notBefore, notAfter, renewalDue, kind } = life;
  const y = top + 24 + row * rowHeight;
  const [from, to] = [shareOf(notBefore), shareOf(notAfter)];
  const due = renewalDue === null ? null : shareOf(Math.min(Math.max(renewalDue, notBefore), notAfter));
  const turn = due ?? to;
  const ended = notAfter <= now;
  const old = kind === 'old';
  const ends = `notAfter ${dayText(notAfter, preferences.zone)}${old || ended ? `, ${ended ? `${roughly(now - notAfter)} ago` : `in ${roughly(notAfter - now)}`}` : ''}`;
  const dueAnchor = due === null ? 'middle' : anchorAt(due);
  return (
    <>
      <rect
        class={old ? 'd-old' : 'd-ok'}
        x={percent(from)}
        y={y}
        width={percent(Math.max(0, turn - from))}
        height="14"
        rx="3"
      />
      {due !== null && (
        <>
          <rect
            class={old ? 'd-old-late' : 'd-late'}
            x={percent(due)}
            y={y}
            width={percent(Math.max(0, to - due))}
            height="14"
            rx="3"
          />
          <line class={old ? 'mark-old' : 'mark-due'} x1={percent(due)} x2={percent(due)} y1={y - 4} y2={y + 18} />
          <text x={percent(due)} y={y - 8} text-anchor={dueAnchor}>
            renewal {renewalDue !== null && renewalDue <= now ? 'was due' : 'due'}{' '}
            {dayText(renewalDue ?? 0, preferences.zone)}
          </text>
        </>
      )}
      {/* Beside the bar where there is room, below it otherwise. */}
      <text
        x={percent(from)}
        dx={from > 0.15 ? -6 : 0}
        y={from > 0.15 ? y + 11 : y + 31}
        text-anchor={from > 0.15 ? 'end' : 'start'}
      >
        {dayText(notBefore, preferences.zone)}
      </text>
      <text
        class={old || ended ? 'bad' : 'strong'}
        x={percent(to)}
        dx={to < 0.55 ? 6 : 0}
        y={to < 0.55 ? y + 11 : y + 31}
        text-anchor={to < 0.55 ? 'start' : 'end'}
      >
        {ends}
      </text>
    </>
  );
};

/** The larger unit alone, where room is short. */
const roughly = (ms: number): string => span(ms).split(' ').slice(0, 2).join(' ');

const sentenceOf = ({ name, notBefore, notAfter, renewalDue }: Lifetime, now: number, zone: string): string => {
  const due =
    renewalDue === null ? '' : `, renewal ${renewalDue <= now ? 'was due' : 'due'} ${dateText(renewalDue, zone)}`;
  return `${name}: valid ${dateText(notBefore, zone)} to ${dateText(notAfter, zone)}${due}.`;
};

/** Lifetimes of certificates on one axis with today in it; its label says the same in sentences. */
export const Lifetimes: FC<{ of: readonly Lifetime[] }> = ({ of }) => {
  const { now, preferences } = useView();
  if (of.length === 0) return null;
  const from = Math.min(now, ...of.map(({ notBefore }) => notBefore)) - 2 * day;
  const to = Math.max(now, ...of.map(({ notAfter }) => notAfter)) + 2 * day;
  const shareOf = (at: number): number => (at - from) / (to - from);
  const bottom = top + of.length * rowHeight + 2;
  const label = [
    ...of.map((life) => sentenceOf(life, now, preferences.zone)),
    `Today is ${dateText(now, preferences.zone)}.`,
  ];
  const today = shareOf(now);
  return (
    <div class="deadlines">
      <svg role="img" width="100%" height={bottom + 22} aria-label={label.join(' ')}>
        {monthsWithin(from, to).map((at) => {
          const x = percent(shareOf(at));
          return (
            <>
              <line class="grid-line" x1={x} x2={x} y1={top} y2={bottom} />
              <text class="month" x={x} y="12" text-anchor={anchorAt(shareOf(at))}>
                {monthText(at)}
              </text>
            </>
          );
        })}
        {of.map((life, row) => (
          <Bar life={life} row={row} shareOf={shareOf} />
        ))}
        <line class="now" x1={percent(today)} x2={percent(today)} y1={top} y2={bottom} />
        <circle class="dot-now" cx={percent(today)} cy={bottom} r="3" />
        <text class="strong" x={percent(today)} y={bottom + 17} text-anchor={anchorAt(today)}>
          today, {dayText(now, preferences.zone)}
        </text>
      </svg>
    </div>
  );
};
