import { describe, expect, it } from 'vitest';
import { silenceOf, type SourceRhythm, spikeOf, spikesOf } from './self-watch.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.UTC(2026, 10, 20);

/** A source whose first event was `first` days ago and the last one `last` days ago. */
const rhythm = (first: number, last: number, eventsTotal: number): SourceRhythm => ({
  source: 'certbot',
  clusterId: 'eu',
  eventsTotal,
  firstAt: now - first * day,
  lastSeenAt: now - last * day,
});

describe('silenceOf', () => {
  // 91 events over 90 days: one a day, so that three days are allowed.
  const ms = 1 / day;
  const table: readonly (readonly [what: string, SourceRhythm, silent: boolean])[] = [
    ['one that reports', rhythm(90, 0.5, 91), false],
    ['one at the end of its time', rhythm(93, 3, 91), false],
    ['one just beyond it', rhythm(93 + ms, 3 + ms, 91), true],
    ['one at the end of being expected', rhythm(123, 33, 91), true],
    ['one that nobody expects any more', rhythm(123 + ms, 33 + ms, 91), false],
    ['one that reports every minute, within the day', rhythm(11, 1, 14_401), false],
    ['one that reports every minute, beyond the day', rhythm(11 + ms, 1 + ms, 14_401), true],
    ['one with nine events', rhythm(50, 20, 9), false],
    ['one with ten events', rhythm(50, 20, 10), true],
    ['one whose events span less than a day', rhythm(9, 8 + ms, 1000), false],
    ['one whose events span a day', rhythm(9, 8, 1000), true],
    ['one whose last event is ahead of our clock', rhythm(90, -1, 91), false],
  ];
  it.each(table)('judges %s', (_what, source, silent) => {
    expect(silenceOf(source, now) !== null).toBe(silent);
  });

  it('tells since when, and what is usual', () => {
    expect(silenceOf(rhythm(95, 5, 91), now)).toEqual({
      source: 'certbot',
      clusterId: 'eu',
      since: now - 5 * day,
      expectedIntervalMs: day,
    });
  });
});

describe('spikeOf', () => {
  const table: readonly (readonly [recent: number, before: number, spikes: boolean])[] = [
    [0, 0, false],
    [19, 0, false],
    [20, 0, true],
    // 144 windows of ten minutes make a day: 4 in each is 576.
    [20, 576, false],
    [21, 576, true],
    [19, 1, false],
    [500, 14_400, false],
    [501, 14_400, true],
    [0, 14_400, false],
  ];
  it.each(table)('%i tries within ten minutes after %i in a day: %s', (recent, before, spikes) => {
    expect(spikeOf({ errorClass: 'internal', recent, before }) !== null).toBe(spikes);
  });

  it('puts the worst first', () => {
    const spikes = spikesOf([
      { errorClass: 'unresolved', recent: 30, before: 0 },
      { errorClass: 'invalid', recent: 3, before: 0 },
      { errorClass: 'internal', recent: 300, before: 144 },
    ]);
    expect(spikes).toEqual([
      { errorClass: 'internal', recent: 300, usual: 1 },
      { errorClass: 'unresolved', recent: 30, usual: 0 },
    ]);
  });
});
