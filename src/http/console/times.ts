import * as v from 'valibot';
import { parseTime } from '../../lifecycle/time.ts';

const hour = 3_600_000;
const unitMs: Readonly<Record<string, number>> = { h: hour, d: 24 * hour };

/** A time of a filter: how long ago, as `24h` or `7d`, or a moment (epoch ms). */
export type FilterTime = { readonly ago: number } | { readonly at: number };

const timeOf = (text: string): FilterTime | null => {
  const [, digits, unit] = /^(\d{1,4})([hd])$/.exec(text) ?? [];
  if (digits !== undefined && unit !== undefined) return { ago: Number(digits) * (unitMs[unit] ?? 0) };
  const at = parseTime(/^\d+$/.test(text) ? Number(text) : text);
  return at === null ? null : { at };
};

/** How long ago, or a moment, as a query parameter of a page. */
export const filterTime = v.pipe(
  v.string(),
  v.rawTransform<string, FilterTime>(({ dataset, addIssue, NEVER }) => {
    const time = timeOf(dataset.value);
    if (time !== null) return time;
    addIssue({ message: 'must be a length of time such as 24h or 7d, an RFC 3339 time or epoch milliseconds' });
    return NEVER;
  }),
);

/** The moment a filter means (epoch ms); undefined where none is given. */
export const momentOf = (time: FilterTime | undefined, now: number): number | undefined => {
  if (time === undefined) return undefined;
  return 'at' in time ? time.at : now - time.ago;
};

/** Lengths of time that filters offer. */
export const sinceChoices = [
  { value: '1h', text: 'Last hour' },
  { value: '24h', text: 'Last 24 hours' },
  { value: '7d', text: 'Last 7 days' },
  { value: '30d', text: 'Last 30 days' },
] as const;
