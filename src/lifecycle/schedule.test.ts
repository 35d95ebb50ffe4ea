import { describe, expect, it } from 'vitest';
import { emptyState } from './fold.ts';
import { type DomainClocks, scheduleAfter, type ScheduleLimits } from './schedule.ts';
import { neverServed, type Truth } from './status.ts';
import { viewOf } from './view.ts';

const now = Date.UTC(2026, 4, 1);
const minute = 60_000;
const day = 86_400_000;
const limits: ScheduleLimits = { now, warnDays: 30, slaWarningHours: 72, probeQuietSeconds: 600 };
const truth: Truth = {
  settings: {
    tlsMode: 'termination',
    routed: true,
    verified: true,
    failurePolicy: 'standard',
    expiryWarnPercent: null,
  },
  state: {
    ...emptyState,
    lastEventType: 'renewal_succeeded',
    lastEventAt: now,
    notBefore: now,
    notAfter: now + 90 * day,
    renewalDueAt: now + 60 * day,
    dueCurrent: true,
  },
  served: neverServed,
};
const calm: DomainClocks = {
  tlsStatus: 'issued',
  alerting: false,
  lookDueAt: null,
  probeDueAt: now + 5 * day,
  probeChecks: 0,
};

const after = (clocks: Partial<DomainClocks>, eventType: 'renewal_succeeded' | 'renewal_failed' | null) => {
  const view = viewOf(truth, null, now, 30);
  return scheduleAfter({ ...calm, ...clocks }, eventType === null ? [] : [{ eventType }], truth, view, limits);
};

describe('the clocks after events', () => {
  it('have a deployment checked in a minute, and twice more', () => {
    expect(after({}, 'renewal_succeeded')).toMatchObject({ probeDueAt: now + minute, probeChecks: 3 });
    expect(after({ probeChecks: 1, probeDueAt: now + 5000 }, 'renewal_succeeded')).toMatchObject({
      probeDueAt: now + minute,
      probeChecks: 3,
    });
  });

  it('do not put off a check that is about to come', () => {
    expect(after({ probeChecks: 3, probeDueAt: now + 5000 }, 'renewal_succeeded')).toMatchObject({
      probeDueAt: now + 5000,
      probeChecks: 3,
    });
  });

  it('keep probes away for the quiet time after any other event, but not the checks of a deployment', () => {
    expect(after({ probeDueAt: now }, 'renewal_failed').probeDueAt).toBe(now + 10 * minute);
    expect(after({}, 'renewal_failed').probeDueAt).toBe(now + 5 * day);
    expect(after({ probeChecks: 2, probeDueAt: now + 1000 }, 'renewal_failed').probeDueAt).toBe(now + 1000);
  });

  it('do not keep probes away for more than a day after the last look', () => {
    const served = { ...neverServed, checkedAt: now - day };
    const view = viewOf({ ...truth, served }, null, now, 30);
    const clocks = { ...calm, probeDueAt: now - minute };
    const events = [{ eventType: 'certificate_expiring' }] as const;
    expect(scheduleAfter(clocks, events, { ...truth, served }, view, limits).probeDueAt).toBe(now);
  });

  it('leave probes alone when the state was only refolded', () => {
    expect(after({ probeDueAt: now }, null)).toMatchObject({ probeDueAt: now, probeChecks: 0 });
  });

  it('look at a calm domain when time changes something, at any other now', () => {
    expect(after({}, 'renewal_succeeded').lookDueAt).toBe(now + 57 * day);
    expect(after({ alerting: true }, 'renewal_succeeded').lookDueAt).toBe(now);
    expect(after({ tlsStatus: 'tls_error' }, 'renewal_succeeded').lookDueAt).toBe(now);
  });
});
