import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  anyDomain,
  anyResult,
  now,
  observationWith,
  renewedTo,
  seenWith,
  truthWith,
} from '../../test/support/looks.ts';
import { cases } from '../../test/support/properties.ts';
import { observe } from './observe.ts';
import {
  faultIntervalMs,
  type Looked,
  nextProbe,
  ordinaryIntervalMs,
  secondLookMs,
  shareOf,
} from './probe-schedule.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const limits = { now, quietSeconds: 600, graceSeconds: 900 };

const looked = (more: Partial<Looked> = {}): Looked => ({
  domain: 'shop.example',
  truth: truthWith(),
  observation: observationWith({ seen: [seenWith('a')] }),
  last: { probeDueAt: now, probeChecks: 0 },
  asked: false,
  ...more,
});
const inMs = (one: Looked): number => nextProbe(one, limits).probeDueAt - now;

describe('ordinaryIntervalMs', () => {
  it.each([
    [90 * day, 90 * day, day],
    [90 * day, 12 * day, 12 * hour],
    [90 * day, hour, 15 * minute],
    [90 * day, -day, 15 * minute],
    [6 * day, 6 * day, 6 * hour],
    [6 * hour, 6 * hour, 15 * minute],
    [2 * hour, 2 * hour, 5 * minute],
    [10 * minute, 10 * minute, minute],
  ])('of a life of %d ms with %d ms left is %d ms', (life, left, interval) => {
    const notAfter = now + left;
    expect(ordinaryIntervalMs(notAfter - life, notAfter, now)).toBe(interval);
  });

  it('takes a life of unknown length for a long one', () => {
    expect(ordinaryIntervalMs(null, now + hour, now)).toBe(15 * minute);
  });
});

describe('faultIntervalMs', () => {
  it.each([
    [2, false, 15 * minute],
    [3, false, 30 * minute],
    [6, false, 4 * hour],
    [7, false, 6 * hour],
    [500, false, 6 * hour],
    [2, true, 15 * minute],
    [8, true, 16 * hour],
    [12, true, 7 * day],
    [500, true, 7 * day],
  ])('after %d faults (dead: %s) is %d ms', (failures, dead, interval) => {
    expect(faultIntervalMs(failures, dead)).toBe(interval);
  });
});

describe('shareOf', () => {
  it('spreads names evenly', () => {
    const tenths = new Map<number, number>();
    for (let index = 0; index < 10_000; index += 1) {
      const tenth = Math.floor(shareOf(`site-${index}.example.net`) * 10);
      tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1);
    }
    expect(tenths.size).toBe(10);
    for (const count of tenths.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe('nextProbe', () => {
  it('comes back within a tenth of the interval, always the same for a domain', () => {
    const due = inMs(looked());
    expect(due).toBeGreaterThanOrEqual(0.9 * day);
    expect(due).toBeLessThanOrEqual(1.1 * day);
    expect(inMs(looked())).toBe(due);
    expect(inMs(looked({ domain: 'other.example' }))).not.toBe(due);
  });

  it('looks a second time at a fault after 30 to 120 s, and then ever later at a dead name', () => {
    const first = inMs(looked({ observation: observationWith({ failures: 1, unconfirmed: true }) }));
    expect(first).toBeGreaterThanOrEqual(30_000);
    expect(first).toBeLessThanOrEqual(120_000);
    expect(first).toBe(Math.round(secondLookMs('shop.example')));
    const dead = inMs(looked({ observation: observationWith({ failures: 40 }) }));
    expect(dead).toBeGreaterThan(6 * day);
    const faulty = inMs(looked({ observation: observationWith({ failures: 40, seen: [seenWith('a')] }) }));
    expect(faulty).toBeLessThan(7 * hour);
  });

  it('counts the looks at a deployment down', () => {
    const truth = truthWith({ state: renewedTo('a', minute) });
    const steps = [3, 2].map((probeChecks) =>
      nextProbe(looked({ truth, last: { probeDueAt: now, probeChecks } }), limits),
    );
    expect(steps).toEqual([
      { probeDueAt: now + 4 * minute, probeChecks: 2 },
      { probeDueAt: now + 10 * minute, probeChecks: 1 },
    ]);
    const done = nextProbe(looked({ truth, last: { probeDueAt: now, probeChecks: 1 } }), limits);
    expect(done.probeChecks).toBe(0);
    expect(done.probeDueAt - now).toBeGreaterThan(day / 2);
  });

  it('uses up no such look for a second one, nor for one that was asked for', () => {
    const truth = truthWith({ state: renewedTo('a', minute) });
    const last = { probeDueAt: now + 30_000, probeChecks: 2 };
    expect(nextProbe(looked({ truth, last, asked: true }), limits)).toEqual(last);
    const observation = observationWith({ failures: 1, unconfirmed: true });
    const again = nextProbe(looked({ truth, last, observation }), limits);
    expect(again).toEqual({ probeDueAt: Math.round(now + secondLookMs('shop.example')), probeChecks: 2 });
  });

  it('is there when the grace of a deployment ends that has not arrived', () => {
    const truth = truthWith({ state: renewedTo('new', 14 * minute) });
    for (const probeChecks of [0, 1, 2])
      expect(inMs(looked({ truth, last: { probeDueAt: now, probeChecks } }))).toBe(minute + 1000);
    const asked = looked({ truth, asked: true, last: { probeDueAt: now + 5 * minute, probeChecks: 2 } });
    expect(inMs(asked)).toBe(minute + 1000);
    const late = truthWith({ state: renewedTo('new', 20 * minute) });
    expect(inMs(looked({ truth: late }))).toBeLessThanOrEqual(1.1 * hour);
  });

  it('leaves a domain alone for a while after an event', () => {
    const short = { notBefore: now - minute, notAfter: now + 20 * minute };
    const state = { lastEventType: 'renewal_failed' as const, lastEventAt: now - minute };
    const one = looked({ truth: truthWith({ state }), observation: observationWith({ seen: [seenWith('a', short)] }) });
    expect(inMs(one)).toBe(9 * minute);
    expect(inMs({ ...one, last: { probeDueAt: now, probeChecks: 1 } })).toBeLessThan(2 * minute);
  });

  it('always comes back: later than now, within 8 days', () => {
    fc.assert(
      fc.property(anyDomain, anyResult, fc.boolean(), (domain, result, asked) => {
        const { settings, state, served, addresses, failures, clocks } = domain;
        const truth = { settings, state, served };
        const observation = observe({ truth, addresses, failures }, result, { at: now, asked, overtaken: false });
        const last = { probeDueAt: clocks.probeDueAt, probeChecks: clocks.probeChecks };
        const next = nextProbe({ domain: domain.domain, truth, observation, last, asked }, limits);
        expect(next.probeDueAt).toBeGreaterThan(now);
        expect(next.probeDueAt).toBeLessThan(now + 8 * day);
        expect(next.probeChecks).toBeLessThanOrEqual(last.probeChecks);
      }),
      cases(500),
    );
  });
});
