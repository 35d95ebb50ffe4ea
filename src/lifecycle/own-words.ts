/** What the product says of its own work; no domain is named. */
export const ownClasses = [
  'dead_letters',
  'dead_letters_exhausted',
  'source_silent',
  'error_spike',
  'replay_loop',
] as const;
export type OwnClass = (typeof ownClasses)[number];

type Facts = Readonly<Record<string, string | number | null>>;

const count = (n: string | number | null | undefined, one: string, many: string): string =>
  `${Number(n ?? 0).toLocaleString('en-US')} ${Number(n) === 1 ? one : many}`;

/** A length of time in words, from milliseconds: minutes up to two hours, hours up to two days, then days. */
export const lengthOf = (ms: number): string => {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  if (minutes < 120) return count(minutes, 'minute', 'minutes');
  return minutes < 2880 ? `${Math.round(minutes / 60)} hours` : `${Math.round(minutes / 1440)} days`;
};

const letters = (facts: Facts): string => `dead letters of class ${String(facts['escalationClass'])}`;

const troubles: Readonly<Record<OwnClass, (facts: Facts) => string>> = {
  dead_letters: (facts) =>
    `${count(facts['events'], 'event', 'events')} gave up, ${String(facts['reason'])}: ${String(facts['error'])}`,
  dead_letters_exhausted: (facts) =>
    `${count(facts['events'], 'event', 'events')} gave up for good, ${String(facts['reason'])}: ${String(facts['error'])}`,
  source_silent: (facts) =>
    `${String(facts['subject'])} is silent: usually an event every ${lengthOf(Number(facts['expectedIntervalSeconds']) * 1000)}, none for ${lengthOf(Number(facts['silentSeconds']) * 1000)}`,
  error_spike: (facts) =>
    `${count(facts['failedTries'], 'try', 'tries')} to apply an event failed within ${String(facts['minutes'])} minutes (${String(facts['errorClass'])}), usually ${String(facts['usual'])}`,
  replay_loop: (facts) =>
    `${count(facts['events'], 'event fails', 'events fail')} again however often ${Number(facts['events']) === 1 ? 'it is' : 'they are'} replayed`,
};

const endings: Readonly<Record<OwnClass, (facts: Facts) => string>> = {
  dead_letters: (facts) => `none of these ${letters(facts)} is left: ${String(facts['subject'])}`,
  dead_letters_exhausted: (facts) => `none of these ${letters(facts)} is left: ${String(facts['subject'])}`,
  source_silent: (facts) => `${String(facts['subject'])} reports again, or is not expected any more`,
  error_spike: (facts) => `failed tries are as usual again (${String(facts['errorClass'])})`,
  replay_loop: () => 'no event fails again and again any more',
};

/** One line for people about a matter of our own, not yet cleaned for display. */
export const ownSummary = (noticeClass: OwnClass, action: 'fire' | 'resolve', facts: Facts): string =>
  action === 'fire' ? troubles[noticeClass](facts) : endings[noticeClass](facts);
