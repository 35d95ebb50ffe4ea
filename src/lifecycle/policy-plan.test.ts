import { describe, expect, it } from 'vitest';
import type { PolicyLimits } from './escalation.ts';
import { type FirstOutcome, healthOf, type LetterGroup, planPolicy } from './policy-plan.ts';

const hour = 3_600_000;
const now = Date.UTC(2026, 10, 20, 3);
const limits: PolicyLimits = { now, environment: 'prod', maxReplays: 3, cooldownMs: 900_000, maxAgeMs: 168 * hour };

const group = (change: Partial<LetterGroup> = {}): LetterGroup => ({
  fingerprint: 'f1',
  pattern: 'a fault',
  errorClass: 'internal',
  replays: 0,
  events: 1,
  createdAt: now - 2 * hour,
  failedAt: now - hour,
  lastFailedAt: now - hour,
  since: now - hour,
  ...change,
});
const first = (change: Partial<FirstOutcome> = {}): FirstOutcome => ({
  eventId: 'e1',
  at: now - 600_000,
  status: 'applied',
  ...change,
});

describe('healthOf', () => {
  const cooldown = 900_000;
  const table: readonly (readonly [what: string, lastFailedAt: number, FirstOutcome | undefined, wanted: string])[] = [
    ['nothing tried, failed just now', now, undefined, 'failing'],
    ['nothing tried, within the cooldown', now - cooldown + 1, undefined, 'failing'],
    ['nothing tried, the cooldown over', now - cooldown, undefined, 'untried'],
    ['tried and applied', now - hour, first(), 'well'],
    ['tried and applied, the failure of the same moment', now - 600_000, first(), 'well'],
    ['tried and applied, but failed since', now - 599_999, first(), 'failing'],
    ['tried and applied, but failed since, and quiet again', now - 2 * hour, first({ at: now - 3 * hour }), 'untried'],
    ['under way', now - hour, first({ status: 'pending' }), 'trying'],
    ['under way for too long', now - 2 * hour, first({ status: 'pending', at: now - hour }), 'untried'],
    ['failed', now - 1000, first({ status: 'failed' }), 'failing'],
    ['gone', now - hour, first({ status: null }), 'untried'],
  ];
  it.each(table)('%s', (_what, lastFailedAt, outcome, wanted) => {
    expect(healthOf(lastFailedAt, outcome, limits)).toBe(wanted);
  });
});

describe('planPolicy', () => {
  const away = 'directory answered <n>';

  it('replays, waits and escalates by group', () => {
    const plan = planPolicy(
      [
        group({ events: 5 }),
        group({ events: 2, failedAt: now }),
        group({ events: 3, replays: 3 }),
        group({ fingerprint: 'f2', pattern: away }),
        group({ fingerprint: 'f3', errorClass: 'invalid', events: 4 }),
        group({ fingerprint: 'f3', errorClass: 'invalid', events: 6, createdAt: 0 }),
      ],
      new Map(),
      limits,
    );
    expect(plan.replay).toEqual([
      { fingerprint: 'f1', class: 'transient', alone: false },
      { fingerprint: 'f2', class: 'dependency', alone: true },
    ]);
    expect(plan.waiting.map(({ fingerprint, events }) => [fingerprint, events])).toEqual([['f1', 2]]);
    expect(
      plan.escalations.map(({ fingerprint, class: kind, events, route }) => [fingerprint, kind, events, route]),
    ).toEqual([
      ['f3', 'data', 10, 'ticket'],
      ['f1', 'exhausted', 3, 'page'],
    ]);
  });

  it('keeps first replays of groups that are there, and forgets those that failed', () => {
    const firsts = new Map([
      ['f1', first()],
      ['f2', first({ status: 'failed' })],
      ['f3', first({ status: 'pending' })],
      ['f4', first()],
    ]);
    const groups = ['f1', 'f2', 'f3'].map((fingerprint) => group({ fingerprint, pattern: away }));
    expect(Object.keys(planPolicy(groups, firsts, limits).first)).toEqual(['f1', 'f3']);
  });

  it('makes one alert of one fingerprint and class, whatever the reasons', () => {
    const old = group({ createdAt: 0, events: 2 });
    const { escalations } = planPolicy([old, group({ createdAt: 1, events: 3 })], new Map(), limits);
    expect(escalations).toHaveLength(1);
    expect(escalations[0]).toMatchObject({ class: 'transient', events: 5, route: 'ticket' });
  });
});
