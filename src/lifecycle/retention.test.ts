import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases, ledgerEvent, ledgerEvents } from '../../test/support/properties.ts';
import { foldHistory } from './fold.ts';
import { coverOf, cycleMs, isCovered, retentionDays } from './retention.ts';
import type { LedgerEvent } from './types.ts';

/** State and open incidents, those without the ids that tell one sending of an event from another. */
const outcomeOf = (events: readonly LedgerEvent[]) => {
  const { state, open } = foldHistory(events);
  return { state, open: [...open.values()].map(({ eventIds: _ids, ...draft }) => draft) };
};

/** A domain's events, which of them are known, which of those may go in which round, and what comes late. */
const stories = fc.record({
  events: ledgerEvents(10),
  late: fc.array(ledgerEvent('l'), { maxLength: 4 }),
  rounds: fc.array(fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }), { minLength: 1, maxLength: 3 }),
  seen: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
  resent: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
});

/** Takes away what is covered by what is left, a part of it in every round; a round may see only some of the events. */
const thin = (events: readonly LedgerEvent[], rounds: readonly boolean[][], seen: readonly boolean[]) => {
  let left = [...events];
  for (const chosen of rounds) {
    const cover = coverOf(left.filter((_, index) => seen[index] === true));
    left = left.filter((event, index) => chosen[index] !== true || !isCovered(event, cover));
  }
  return left;
};

describe('retention of events', () => {
  it('never changes what a fold gives, whatever comes late, in however many rounds', () => {
    fc.assert(
      fc.property(stories, ({ events, late, rounds, seen }) => {
        const left = thin(events, rounds, seen);
        expect(outcomeOf([...left, ...late])).toEqual(outcomeOf([...events, ...late]));
      }),
      cases(2000),
    );
  });

  it('leaves the state as it is when an event that is gone is sent once more', () => {
    fc.assert(
      fc.property(stories, ({ events, late, rounds, seen, resent }) => {
        const left = new Set(thin(events, rounds, seen));
        const again = events
          .filter((event, index) => !left.has(event) && resent[index] === true)
          .map((event) => ({ ...event, id: `z${event.id}` }));
        expect(outcomeOf([...left, ...late, ...again])).toEqual(outcomeOf([...events, ...late]));
      }),
      cases(2000),
    );
  });

  it('forgets something, and all but the last of a domain that is renewed again and again', () => {
    const renewals = Array.from({ length: 6 }, (_, n): LedgerEvent => ({
      id: `e${n}`,
      source: 'certbot',
      clusterId: null,
      sourceEventId: `s${n}`,
      eventType: 'renewal_succeeded',
      occurredAt: n * 1000,
      certificateRef: `ref-${n}`,
      notBefore: null,
      notAfter: 100_000 + n,
      renewalDueAt: null,
      reason: null,
      callbackClass: null,
      callbackAction: null,
      callbackAttempt: null,
    }));
    const left = renewals.filter((event) => !isCovered(event, coverOf(renewals)));
    expect(left.map(({ id }) => id)).toEqual(['e4', 'e5']);
    const due = renewals.map((event) => ({ ...event, renewalDueAt: 50_000 }));
    expect(due.filter((event) => !isCovered(event, coverOf(due))).map(({ id }) => id)).toEqual(['e5']);
  });
});

describe('ages', () => {
  const day = 86_400_000;

  it('leave out what is kept for ever, and keep notices while they hold back others', () => {
    const days = retentionDays({
      CERT_RETENTION_EVENTS_DAYS: 400,
      CERT_RETENTION_IDENTITIES_DAYS: 0,
      CERT_RETENTION_NOTIFICATIONS_DAYS: 0.001,
      CERT_RETENTION_OBSERVATIONS_DAYS: 0,
      CERT_RETENTION_INCIDENTS_DAYS: 0.5,
      CERT_RETENTION_REPLAYS_DAYS: 3,
      CERT_ALERT_COOLDOWN_SECONDS: 1800,
      CERT_RUNBOOK_COOLDOWN_SECONDS: 43_200,
    });
    expect(Object.fromEntries(days)).toEqual({
      events: 400,
      noted_events: 400,
      notifications: 0.5,
      incidents: 0.5,
      replays: 3,
      sessions: 7,
      access_attempts: 1,
    });
  });

  it.each([
    [400, day / 2],
    [6, day / 4],
    [0.01, 36_000],
    [0.0001, 15_000],
  ])('of %d days are looked through every %d ms', (days, every) => {
    expect(cycleMs('incidents', days)).toBe(every);
    expect(cycleMs('noted_events', days)).toBe(15_000);
  });
});
