import { describe, expect, it } from 'vitest';
import {
  alertBody,
  type AlertFacts,
  type DeploymentEnv,
  domainClasses,
  driftBody,
  noticeClasses,
  routeOf,
  severityOf,
  slaBody,
  summaryOf,
} from './notice.ts';

const hour = 3_600_000;
const at = Date.UTC(2026, 10, 1, 12);
const facts: AlertFacts = {
  class: 'tls_error',
  environment: 'dev',
  domainId: '7f3c0a52-6b1e-4a34-9f55-0d7f6f1f0001',
  domain: 'shop.example.com',
  tlsMode: 'termination',
  status: 'tls_error',
  notAfter: at + 10 * 24 * hour,
  error: 'expired',
  at,
};
const slaFacts = { ...facts, class: 'renewal_sla_breach', renewalDueAt: at - hour, warningWindowHours: 72 } as const;
const driftFacts = {
  ...facts,
  class: 'drift',
  driftState: 'stale_served',
  driftSince: at - hour,
  expectedCertificateRef: 'sha256:AA',
  observedCertificateRef: 'sha256:BB',
  expectedNotAfter: at + hour,
  observedNotAfter: null,
} as const;
const commonKeys = [
  'source',
  'type',
  'severity',
  'incidentRoute',
  'domainId',
  'domain',
  'tlsMode',
  'status',
  'notAfter',
  'error',
  'timestamp',
];

describe('severity and route', () => {
  const environments: DeploymentEnv[] = ['dev', 'staging', 'prod'];
  const table = noticeClasses.flatMap((noticeClass) =>
    environments.map((environment) => [
      noticeClass,
      environment,
      severityOf(noticeClass, environment),
      routeOf(noticeClass, environment),
    ]),
  );

  it('are critical for tls_error and for what pages: in prod, a breach and dead letters that nobody can replay', () => {
    const breach = ['renewal_sla_breach', 'prod', 'critical', 'page'];
    const exhausted = ['dead_letters_exhausted', 'prod', 'critical', 'page'];
    expect(table.filter(([, , severity]) => severity === 'critical')).toEqual([
      ['tls_error', 'dev', 'critical', 'ticket'],
      ['tls_error', 'staging', 'critical', 'ticket'],
      ['tls_error', 'prod', 'critical', 'ticket'],
      breach,
      exhausted,
    ]);
    expect(table.filter(([, , , route]) => route === 'page')).toEqual([breach, exhausted]);
  });
});

describe('bodies', () => {
  it('of an alert are as the contract has them, in its order', () => {
    const body = alertBody(facts);
    expect(Object.keys(body)).toEqual(commonKeys);
    expect(body).toEqual({
      source: 'worker-certificates',
      type: 'certificate.alert',
      severity: 'critical',
      incidentRoute: 'ticket',
      domainId: facts.domainId,
      domain: 'shop.example.com',
      tlsMode: 'termination',
      status: 'tls_error',
      notAfter: '2026-11-11T12:00:00.000Z',
      error: 'expired',
      timestamp: '2026-11-01T12:00:00.000Z',
    });
  });

  it('keep null where nothing is known', () => {
    expect(alertBody({ ...facts, notAfter: null, error: null })).toMatchObject({ notAfter: null, error: null });
  });

  it('of a deadline add its own keys', () => {
    const body = slaBody({ ...slaFacts, environment: 'prod' });
    expect(Object.keys(body)).toEqual([
      ...commonKeys,
      'classification',
      'renewalDueAt',
      'hoursUntilDue',
      'warningWindowHours',
      'environment',
    ]);
    expect(body).toMatchObject({
      type: 'certificate.renewal_sla',
      severity: 'critical',
      incidentRoute: 'page',
      classification: 'renewal_sla_breach',
      renewalDueAt: '2026-11-01T11:00:00.000Z',
      hoursUntilDue: -1,
      warningWindowHours: 72,
      environment: 'prod',
    });
  });

  it.each([
    [0, 0],
    [hour / 3, 0.33],
    [-hour / 3, -0.33],
    [71.999 * hour, 72],
    [1, 0],
    [-1, 0],
  ])('give hours until due with two decimals: %d ms → %d', (ms, hours) => {
    const text = JSON.stringify(slaBody({ ...slaFacts, renewalDueAt: at + ms })['hoursUntilDue']);
    expect(text).toBe(String(hours));
  });

  it('of drift tell both certificates', () => {
    const body = driftBody(driftFacts);
    expect(Object.keys(body).slice(0, commonKeys.length)).toEqual(commonKeys);
    expect(body).toMatchObject({
      type: 'certificate.drift',
      severity: 'warning',
      driftState: 'stale_served',
      driftSince: '2026-11-01T11:00:00.000Z',
      expectedCertificateRef: 'sha256:AA',
      observedCertificateRef: 'sha256:BB',
      expectedNotAfter: '2026-11-01T13:00:00.000Z',
      observedNotAfter: null,
    });
  });
});

describe('summaryOf', () => {
  it.each([
    ['tls_error', alertBody(facts), 'shop.example.com: TLS error: expired'],
    ['tls_error', alertBody({ ...facts, error: null }), 'shop.example.com: TLS error'],
    ['expiring', alertBody(facts), 'shop.example.com: certificate expires in 10 days'],
    ['expiring', alertBody({ ...facts, notAfter: at + 5 * hour }), 'shop.example.com: certificate expires in 5 hours'],
    ['expiring', alertBody({ ...facts, notAfter: at - hour }), 'shop.example.com: certificate expired 60 minutes ago'],
    ['expiring', alertBody({ ...facts, notAfter: null }), 'shop.example.com: certificate is about to expire'],
    ['renewal_sla_breach', slaBody(slaFacts), 'shop.example.com: renewal is 60 minutes overdue'],
    [
      'renewal_sla_warning',
      slaBody({ ...slaFacts, renewalDueAt: at + 70 * hour }),
      'shop.example.com: renewal is due in 2 days',
    ],
    ['drift', driftBody(driftFacts), 'shop.example.com: renewed, but the old certificate is still served'],
    [
      'drift',
      driftBody({ ...driftFacts, driftState: 'new_word' }),
      'shop.example.com: another certificate is served than expected',
    ],
  ] as const)('%s fires', (noticeClass, body, expected) => {
    expect(summaryOf(noticeClass, 'fire', body)).toBe(expected);
  });

  it.each(domainClasses)('%s resolves in words of its own', (noticeClass) => {
    const text = summaryOf(noticeClass, 'resolve', alertBody(facts));
    expect(text).toMatch(/^shop\.example\.com: .*(well|no longer|expected)/);
    expect(text).not.toContain('expired');
  });

  it('does not sound well when a graver alert takes its place', () => {
    expect(summaryOf('expiring', 'resolve', alertBody(facts))).toContain('but in error');
    expect(summaryOf('expiring', 'resolve', alertBody({ ...facts, status: 'issued' }))).not.toContain('error');
    const warning = { ...slaFacts, class: 'renewal_sla_warning' } as const;
    expect(summaryOf('renewal_sla_warning', 'resolve', slaBody(warning))).toContain(
      'deadline of its renewal has passed',
    );
    const renewed = slaBody({ ...warning, renewalDueAt: at + hour });
    expect(summaryOf('renewal_sla_warning', 'resolve', renewed)).toContain('no longer close');
  });

  it('is one line of bounded length, whatever the error says', () => {
    const text = summaryOf('tls_error', 'fire', alertBody({ ...facts, error: `a\nb\u202E${'x'.repeat(1000)}` }));
    expect(text).not.toMatch(/[\n\u202E]/);
    expect(text).toHaveLength(300);
  });
});
