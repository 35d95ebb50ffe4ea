const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Whole numbers with thousands apart; `–` where it is not known. */
export const count = (n: number | null | undefined): string => {
  if (n === null || n === undefined) return '–';
  return Math.round(n).toLocaleString('en-US').replace('-', '−');
};

/** A change of a number, with its sign: `+312`, `−40`, `0`. */
export const change = (n: number): string => (n > 0 ? `+${count(n)}` : count(n));

/** `1 domain`, `2 domains`. */
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

const withUnits = (first: number, unit: string, second_: number, smaller: string): string =>
  first < 10 && second_ > 0 ? `${first} ${unit} ${second_} ${smaller}` : `${first} ${unit}`;

/** A length of time in its two largest units at most: `2 s`, `58 min`, `4 h 31 min`, `5 d 19 h`, `89 d`. */
export const span = (ms: number): string => {
  const size = Math.abs(ms);
  if (size < minute) return `${Math.floor(size / second)} s`;
  if (size < hour) return `${Math.floor(size / minute)} min`;
  if (size < day) return withUnits(Math.floor(size / hour), 'h', Math.floor((size % hour) / minute), 'min');
  return withUnits(Math.floor(size / day), 'd', Math.floor((size % day) / hour), 'h');
};

/** How long something took, in two or three significant digits: `0.4 ms`, `73 ms`, `1.25 s`; `–` where it is not known. */
export const latency = (ms: number | null | undefined): string => {
  if (ms === null || ms === undefined) return '–';
  if (ms === 0) return '0 ms';
  if (ms < 1000) return `${Number(ms.toPrecision(2))} ms`;
  if (ms < minute) return `${Number((ms / 1000).toPrecision(3))} s`;
  return span(ms);
};

/** A rate a second: whole above 10, else two significant digits. */
export const rate = (perSecond: number | null | undefined): string => {
  if (perSecond === null || perSecond === undefined) return '–';
  return perSecond >= 10 ? count(perSecond) : String(Number(perSecond.toPrecision(2)));
};

interface Clock {
  readonly full: Intl.DateTimeFormat;
  readonly date: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
  readonly clock: Intl.DateTimeFormat;
}

const clocks = new Map<string, Clock>();

// A formatter costs far more to make than to use.
const clockOf = (zone: string): Clock => {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const of = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options });
  const date = { day: 'numeric', month: 'short', year: 'numeric' } as const;
  const made: Clock = {
    full: of({ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' }),
    date: of(date),
    day: of({ day: 'numeric', month: 'short' }),
    clock: of({ hour: '2-digit', minute: '2-digit' }),
  };
  clocks.set(zone, made);
  return made;
};

// British English alone writes "Sept".
const shortMonth = (text: string): string => text.replace('Sept', 'Sep');

/** `21 Nov 2026`. */
export const dateText = (at: number, zone: string): string => shortMonth(clockOf(zone).date.format(at));

/** `21 Nov`. */
export const dayText = (at: number, zone: string): string => shortMonth(clockOf(zone).day.format(at));

/** `03:11`. */
export const clockText = (at: number, zone: string): string => clockOf(zone).clock.format(at);

/** `21 Nov 2026 03:11:58 UTC`: the time that stands behind every relative one. */
export const exactText = (at: number, zone: string): string => `${dateText(at, zone)} ${clockOf(zone).full.format(at)}`;

/** `4 h ago`, `in 89 d`; the date for what is more than 30 days past. */
export const relativeText = (at: number, now: number, zone: string): string => {
  const ms = at - now;
  if (ms >= second) return `in ${span(ms)}`;
  return ms < -30 * day ? dateText(at, zone) : `${span(ms)} ago`;
};

/** A deadline: `in 59 d`, `6 d overdue`. */
export const dueText = (at: number, now: number): string =>
  at > now ? `in ${span(at - now)}` : `${span(now - at)} overdue`;

/** How long ago, without saying so: `58 min`; the date for what is more than 30 days past. */
export const sinceText = (at: number, now: number, zone: string): string =>
  now - at > 30 * day ? dateText(at, zone) : span(now - at);

/** The hex digits of a fingerprint in upper case; null when the reference is none. */
const digitsOf = (ref: string): string | null => /^sha256:([0-9a-f]{64})$/i.exec(ref)?.[1]?.toUpperCase() ?? null;

/** First four and last two bytes of a fingerprint, as tables show it; another reference is cut to 24 characters. */
export const shortFingerprint = (ref: string): string => {
  const digits = digitsOf(ref);
  if (digits === null) return ref.length > 24 ? `${ref.slice(0, 23)}…` : ref;
  return `${digits.slice(0, 4)} ${digits.slice(4, 8)} … ${digits.slice(-4)}`;
};

/** A host name in the pieces after which it may wrap. */
export const wrapPieces = (name: string): string[] => name.match(/[^.-]*[.-]|[^.-]+$/g) ?? [];

/** The first part of an id: enough to tell two of one list apart. */
export const shortId = (id: string): string => (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(id) ? id.slice(0, 13) : id);
