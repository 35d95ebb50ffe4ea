import { describe, expect, it } from 'vitest';
import { type DueDomain, slaClassOf } from './alert-conditions.ts';
import { emptyState, type CertState } from './fold.ts';
import type { CurrentIncident } from './incidents.ts';
import { settle, type SettleLimits } from './settle.ts';
import { neverServed, type Served } from './status.ts';
import type { DriftState } from './types.ts';

const hour = 3_600_000;
const day = 24 * hour;
const now = Date.UTC(2026, 4, 1);
const limits: SettleLimits = {
  now,
  warnDays: 30,
  slaWarningHours: 72,
  environment: 'prod',
  alertCooldownMs: 1_800_000,
  runbookCooldownMs: 900_000,
  routing: { channels: new Map([['hook', { kinds: ['alert'], resolves: true }]]), always: ['hook'], routes: [] },
};
const state: CertState = {
  ...emptyState,
  lastEventId: '01890000-0000-7000-8000-000000000001',
  lastEventType: 'renewal_succeeded',
  lastEventAt: now - 10 * day,
  certificateRef: 'sha256:AA',
  notBefore: now - 10 * day,
  notAfter: now + 80 * day,
  renewalDueAt: now + 50 * day,
  dueCurrent: true,
  lastSuccessAt: now - 10 * day,
};
const good: Served = {
  certificateRef: 'sha256:AA',
  notBefore: now - 10 * day,
  notAfter: now + 80 * day,
  fault: null,
  faultError: null,
  checkedAt: now - hour,
};
const domainOf = (change: {
  state?: Partial<CertState>;
  served?: Partial<Served>;
  drift?: DriftState | null;
  settings?: Partial<DueDomain['settings']>;
}): DueDomain => ({
  id: '01890000-0000-7000-8000-000000000000',
  domain: 'a.example',
  orgId: null,
  window: null,
  settings: {
    tlsMode: 'termination',
    routed: true,
    verified: true,
    failurePolicy: 'standard',
    expiryWarnPercent: null,
    ...change.settings,
  },
  state: { ...state, ...change.state },
  served: { ...good, ...change.served },
  clocks: { tlsStatus: 'issued', alerting: false, lookDueAt: now, probeDueAt: now, probeChecks: 0 },
  driftState: change.drift === undefined ? 'in_step' : change.drift,
  driftSince: null,
});
const settled = (change: Parameters<typeof domainOf>[0], incidents: readonly CurrentIncident[] = []) =>
  settle({ domain: domainOf(change), incidents, alerts: [], lastNotices: [] }, limits);
const firing = ({ alerts }: ReturnType<typeof settled>) => alerts.notices.map((notice) => notice.class);
const live = (type: CurrentIncident['type'], change: Partial<CurrentIncident> = {}): CurrentIncident => ({
  id: '01890000-0000-7000-8000-00000000000a',
  type,
  tier: 2,
  status: 'open',
  reason: null,
  context: {},
  ...change,
});
const failed = { lastEventType: 'renewal_failed', error: 'no', lastFailureAt: now, lastEventAt: now } as const;
const fault = { fault: 'wrong_host', faultError: 'is for b.example', checkedAt: now } as const;

describe('settle', () => {
  it('says nothing of a domain that is well, and comes back when time changes something', () => {
    const one = settled({});
    expect(one).toMatchObject({
      incidents: [],
      alerts: { alerting: false, notices: [] },
      view: { tlsStatus: 'issued' },
    });
    expect(one.lookDueAt).toBe(now + 47 * day);
  });

  it.each([
    [
      'a fault',
      { served: fault },
      'tls_error',
      { type: 'tls_error', tier: 2, eventId: null, reason: 'is for b.example' },
    ],
    [
      'the end of the certificate',
      { state: { notAfter: now }, served: neverServed },
      'tls_error',
      { type: 'tls_error', reason: 'the certificate has expired' },
    ],
    ['drift', { drift: 'stale_served' as const }, 'drift', { type: 'certificate_drift', tier: 2, eventId: null }],
  ] as const)('raises an incident and an alert for %s', (_, change, noticeClass, incident) => {
    const one = settled(change);
    expect(one.incidents).toMatchObject([{ id: null, status: 'open', resolvedBy: null, ...incident }]);
    expect(firing(one)).toContain(noticeClass);
  });

  it('alerts for a failure event without an incident of its own', () => {
    const one = settled({ state: failed });
    expect(one.view).toMatchObject({ tlsStatus: 'tls_error', error: 'no' });
    expect(one.incidents).toEqual([]);
    expect(firing(one)).toEqual(['tls_error']);
  });

  it('writes an incident again only when it says something else', () => {
    expect(settled({ served: fault }, [live('tls_error', { reason: 'is for b.example' })]).incidents).toEqual([]);
    expect(settled({ served: fault }, [live('tls_error', { reason: 'expired' })]).incidents).toMatchObject([
      { id: live('tls_error').id, reason: 'is for b.example', status: 'open' },
    ]);
  });

  it.each<[string, Parameters<typeof domainOf>[0], CurrentIncident['type'], string | null]>([
    ['a good look ends an error', {}, 'tls_error', 'probe'],
    [
      'a fault that an event has outdated ends none',
      { state: { lastEventAt: now }, served: { ...fault, checkedAt: now - hour } },
      'tls_error',
      null,
    ],
    ['a renewal ends the error of an expired one that nobody looked at', { served: neverServed }, 'tls_error', 'event'],
    ['passthrough ends an error', { served: fault, settings: { tlsMode: 'passthrough' } }, 'tls_error', 'settings'],
    ['being in step ends drift', {}, 'certificate_drift', 'probe'],
    ['drift that lasts goes on', { drift: 'unknown_served' }, 'certificate_drift', null],
    ['drift that nobody judges any more ends', { drift: null }, 'certificate_drift', 'settings'],
  ])('%s', (_, change, type, by) => {
    const reason = type === 'certificate_drift' ? 'a certificate is served that no event told of' : null;
    const { incidents } = settled(change, [live(type, { reason })]);
    expect(incidents).toMatchObject(by === null ? [] : [{ type, status: 'resolved', resolvedBy: by }]);
  });

  it('has one tier for a deadline that was found late', () => {
    const one = settled({ state: { renewalDueAt: now - day } });
    expect(firing(one)).toEqual(['renewal_sla_breach']);
    expect(one.alerts.notices[0]).toMatchObject({
      severity: 'critical',
      route: 'page',
      body: { classification: 'renewal_sla_breach', hoursUntilDue: -24, environment: 'prod', warningWindowHours: 72 },
    });
  });

  it.each([null, 'connection_refused', 'expired', 'untrusted'] as const)(
    'keeps a deadline that only looks told of when the last look met the fault %s',
    (found) => {
      const certificate = { notBefore: now - 80 * day, notAfter: now - day };
      const served = { ...certificate, fault: found, filled: { ref: 'sha256:AA', ...certificate } };
      const one = settle(
        {
          domain: { ...domainOf({ served }), state: emptyState },
          incidents: [],
          alerts: [],
          lastNotices: [],
        },
        limits,
      );
      expect(one.view.certificate).toMatchObject({ ref: 'sha256:AA', filled: true });
      expect(firing(one)).toEqual(['tls_error', 'renewal_sla_breach']);
      expect(one.alerts.notices[0]?.body).toMatchObject({ notAfter: new Date(now - day).toISOString() });
    },
  );

  it('says nothing more of what is acknowledged', () => {
    const earlier = settled({ served: fault });
    const alerts = earlier.alerts.changed;
    const incidents = [live('tls_error', { status: 'acknowledged', reason: fault.faultError })];
    const later = settle(
      { domain: domainOf({ served: fault }), incidents, alerts, lastNotices: [] },
      { ...limits, now: now + day },
    );
    expect(firing(later)).toEqual([]);
    expect(later.lookDueAt).toBe(now + day + limits.alertCooldownMs);
  });
});

describe('slaClassOf', () => {
  const at = (dueAt: number | null, settings: Partial<DueDomain['settings']> = {}) =>
    slaClassOf(
      domainOf({ settings }),
      { renewalDue: dueAt === null ? null : { at: dueAt, source: 'event' } },
      { now, slaWarningHours: 72 },
    );
  it.each<[string, number | null, string | null]>([
    ['none', null, null],
    ['long from now', now + 72 * hour + 1, null],
    ['at the beginning of the window', now + 72 * hour, 'renewal_sla_warning'],
    ['a moment before', now + 1, 'renewal_sla_warning'],
    ['now', now, 'renewal_sla_breach'],
    ['long ago', now - 90 * day, 'renewal_sla_breach'],
  ])('due %s', (_, dueAt, expected) => {
    expect(at(dueAt)).toBe(expected);
    expect(at(dueAt, { verified: false })).toBeNull();
    expect(at(dueAt, { tlsMode: 'passthrough' })).toBeNull();
  });
});
