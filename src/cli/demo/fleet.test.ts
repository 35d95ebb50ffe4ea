import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { domainLine } from '../../lifecycle/domain-input.ts';
import { parseEvent } from '../../lifecycle/event.ts';
import { type Author, nextEvent, planFleet } from './fleet.ts';
import { between, hexOf, pick, seeded } from './random.ts';

const now = Date.parse('2027-03-01T10:00:00Z');
const author = (seed: number): Author => {
  let made = 0;
  return { random: seeded(seed), id: () => `demo-${seed}-${++made}` };
};

describe('planFleet', () => {
  it('gives the same fleet for the same seed, and another for another', () => {
    expect(planFleet(author(7), 100, now)).toEqual(planFleet(author(7), 100, now));
    expect(planFleet(author(7), 100, now)).not.toEqual(planFleet(author(8), 100, now));
  });

  it('makes domains and events that the API takes, each name and id once', () => {
    const { domains, events } = planFleet(author(1), 400, now);
    for (const domain of domains) expect(v.is(domainLine, domain)).toBe(true);
    for (const event of events) expect(parseEvent(event, now).happenedAt).toBeLessThanOrEqual(now);
    expect(new Set(domains.map(({ domain }) => domain)).size).toBe(400);
    expect(new Set(events.map(({ sourceEventId }) => sourceEventId)).size).toBe(events.length);
  });

  it('has events of every type, retries, late ones, and some for domains that nobody registered', () => {
    const { domains, events } = planFleet(author(1), 200, now);
    const types = new Set(events.map((event) => parseEvent(event, now).eventType));
    expect([...types].toSorted()).toEqual([
      'certificate_expiring',
      'issuance_failed',
      'issuance_succeeded',
      'renewal_failed',
      'renewal_succeeded',
    ]);
    expect(events.some(({ callbackAttempt = 0 }) => callbackAttempt >= 3)).toBe(true);
    const known = new Set(domains.map(({ domain }) => domain));
    expect(events.filter(({ domain }) => !known.has(domain)).length).toBe(5);
    const lastOf = new Map<string, number>();
    const late = events.filter(({ domain, occurredAt }) => {
      const before = lastOf.get(domain) ?? 0;
      lastOf.set(domain, Math.max(before, occurredAt));
      return occurredAt < before;
    });
    expect(late.length).toBeGreaterThan(3);
  });

  it('makes a fleet of one', () => {
    expect(planFleet(author(1), 1, now).domains).toHaveLength(1);
  });
});

describe('nextEvent', () => {
  it('gives events of all kinds about the fleet', () => {
    const me = author(3);
    const { domains } = planFleet(me, 20, now);
    const types = new Set(Array.from({ length: 200 }, () => parseEvent(nextEvent(me, domains, now), now).eventType));
    expect(types).toContain('renewal_succeeded');
    expect(types).toContain('renewal_failed');
    expect(types).toContain('issuance_failed');
    expect(types).toContain('certificate_expiring');
  });
});

describe('random values', () => {
  it('stay within their bounds and reach both', () => {
    const random = seeded(1);
    const seen = new Set(Array.from({ length: 500 }, () => between(random, 2, 5)));
    expect(seen).toEqual(new Set([2, 3, 4, 5]));
    expect(['a', 'b']).toContain(pick(random, ['a', 'b']));
    expect(hexOf(random)).toMatch(/^[0-9A-F]{64}$/);
  });
});
