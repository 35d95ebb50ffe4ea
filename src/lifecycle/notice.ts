import { displayText } from './display-text.ts';
import { ownClasses, type OwnClass, ownSummary } from './own-words.ts';
import type { TlsMode, TlsStatus } from './types.ts';

/** What can be wrong with a domain's certificate; one alert fires for each of them at a time. */
export const domainClasses = ['tls_error', 'expiring', 'renewal_sla_warning', 'renewal_sla_breach', 'drift'] as const;
export type DomainClass = (typeof domainClasses)[number];
/** Everything that is told of: domains, and the product's own work. */
export const noticeClasses = [...domainClasses, ...ownClasses] as const;
export type NoticeClass = DomainClass | OwnClass;
export const severities = ['critical', 'warning'] as const;
export type Severity = (typeof severities)[number];
export const incidentRoutes = ['page', 'ticket'] as const;
export type IncidentRoute = (typeof incidentRoutes)[number];
export type NoticeKind = 'alert' | 'runbook';
export type NoticeAction = 'fire' | 'resolve';
export type DeploymentEnv = 'dev' | 'staging' | 'prod';

/** Body of an alert, its keys in the order of the contract (section 6); times are RFC 3339. */
export type NoticeBody = Readonly<Record<string, string | number | null>>;

/** An alert that fires now. */
export interface FiringAlert {
  /** `<domainId>:<class>`, or `<subject>:<class>` where it speaks of no domain; receivers group by it. */
  readonly alertKey: string;
  readonly class: NoticeClass;
  readonly severity: Severity;
  readonly route: IncidentRoute;
  /** Null: it speaks of the product's own work. */
  readonly domain: string | null;
  readonly orgId: string | null;
  /** One line for people. */
  readonly summary: string;
  readonly body: NoticeBody;
  /** Epoch ms. */
  readonly firedAt: number;
}

/** What a channel is given: one row of the outbox. */
export interface Notice extends FiringAlert {
  /** A uuid, the same in every try; receivers drop repeats by it. */
  readonly id: string;
  readonly kind: NoticeKind;
  readonly action: NoticeAction;
  /** Epoch ms. */
  readonly createdAt: number;
}

/** What every body tells; times are epoch milliseconds, `at` is the time of the decision. */
export interface AlertFacts {
  readonly class: DomainClass;
  readonly environment: DeploymentEnv;
  readonly domainId: string;
  readonly domain: string;
  readonly tlsMode: TlsMode;
  readonly status: TlsStatus;
  readonly notAfter: number | null;
  readonly error: string | null;
  readonly at: number;
}

export interface SlaFacts extends AlertFacts {
  readonly class: 'renewal_sla_warning' | 'renewal_sla_breach';
  readonly renewalDueAt: number;
  readonly warningWindowHours: number;
}

export interface DriftFacts extends AlertFacts {
  readonly class: 'drift';
  readonly driftState: string;
  readonly driftSince: number | null;
  readonly expectedCertificateRef: string | null;
  readonly observedCertificateRef: string | null;
  readonly expectedNotAfter: number | null;
  readonly observedNotAfter: number | null;
}

/** Critical: the domain is broken now, or what pages (contract 6). */
export const severityOf = (noticeClass: NoticeClass, environment: DeploymentEnv): Severity =>
  noticeClass === 'tls_error' || routeOf(noticeClass, environment) === 'page' ? 'critical' : 'warning';

/** In production a breach wakes somebody, and dead letters that have used up their replays (contract 6 and 7). */
export const routeOf = (noticeClass: NoticeClass, environment: DeploymentEnv): IncidentRoute =>
  (noticeClass === 'renewal_sla_breach' || noticeClass === 'dead_letters_exhausted') && environment === 'prod'
    ? 'page'
    : 'ticket';

const time = (epochMs: number): string => new Date(epochMs).toISOString();
const timeOrNull = (epochMs: number | null): string | null => (epochMs === null ? null : time(epochMs));

const bodyOf = (type: string, facts: AlertFacts): NoticeBody => ({
  source: 'worker-certificates',
  type,
  severity: severityOf(facts.class, facts.environment),
  incidentRoute: routeOf(facts.class, facts.environment),
  domainId: facts.domainId,
  domain: facts.domain,
  tlsMode: facts.tlsMode,
  status: facts.status,
  notAfter: timeOrNull(facts.notAfter),
  error: facts.error,
  timestamp: time(facts.at),
});

/** Body for a domain that is `tls_error` or `expiring`. */
export const alertBody = (facts: AlertFacts): NoticeBody => bodyOf('certificate.alert', facts);

/** Body for a renewal deadline that is near or past. `hoursUntilDue` has two decimals and is negative past the deadline. */
export const slaBody = (facts: SlaFacts): NoticeBody => ({
  ...bodyOf('certificate.renewal_sla', facts),
  classification: facts.class,
  renewalDueAt: time(facts.renewalDueAt),
  hoursUntilDue: Math.round((facts.renewalDueAt - facts.at) / 36_000) / 100 + 0,
  warningWindowHours: facts.warningWindowHours,
  environment: facts.environment,
});

/** Body for a certificate that is served though events speak of another, or for addresses that disagree. */
export const driftBody = (facts: DriftFacts): NoticeBody => ({
  ...bodyOf('certificate.drift', facts),
  driftState: facts.driftState,
  driftSince: timeOrNull(facts.driftSince),
  expectedCertificateRef: facts.expectedCertificateRef,
  observedCertificateRef: facts.observedCertificateRef,
  expectedNotAfter: timeOrNull(facts.expectedNotAfter),
  observedNotAfter: timeOrNull(facts.observedNotAfter),
});

/** What is wrong, by state of drift. */
export const driftTexts: Readonly<Record<string, string>> = {
  stale_served: 'renewed, but the old certificate is still served',
  unknown_served: 'a certificate is served that no event told of',
  addresses_differ: 'its addresses serve different certificates',
};

const span = (ms: number): string => {
  const hours = Math.abs(ms) / 3_600_000;
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours >= 2 ? `${Math.floor(hours)} hours` : `${Math.floor(hours * 60)} minutes`;
};

const fromNow = (body: NoticeBody, key: string): number | null => {
  const [then, now] = [Date.parse(String(body[key])), Date.parse(String(body['timestamp']))];
  return Number.isNaN(then) || Number.isNaN(now) ? null : then - now;
};

const trouble = (noticeClass: DomainClass, body: NoticeBody): string => {
  switch (noticeClass) {
    case 'tls_error':
      return body['error'] === null ? 'TLS error' : `TLS error: ${String(body['error'])}`;
    case 'expiring': {
      const left = fromNow(body, 'notAfter');
      if (left === null) return 'certificate is about to expire';
      return left > 0 ? `certificate expires in ${span(left)}` : `certificate expired ${span(left)} ago`;
    }
    case 'renewal_sla_warning':
    case 'renewal_sla_breach': {
      const left = fromNow(body, 'renewalDueAt');
      if (left === null) return 'renewal is due';
      return left > 0 ? `renewal is due in ${span(left)}` : `renewal is ${span(left)} overdue`;
    }
    case 'drift':
      return driftTexts[String(body['driftState'])] ?? 'another certificate is served than expected';
  }
};

const isOwn = (noticeClass: NoticeClass): noticeClass is OwnClass => ownClasses.some((one) => one === noticeClass);

const recovery: Readonly<Record<DomainClass, string>> = {
  tls_error: 'TLS is well again',
  expiring: 'certificate is no longer about to expire',
  renewal_sla_warning: 'renewal is no longer close to its deadline',
  renewal_sla_breach: 'renewal is no longer overdue',
  drift: 'the expected certificate is served',
};

/** Why an alert is over. One that gave way to a graver one must not sound as if all were well. */
const ending = (noticeClass: DomainClass, body: NoticeBody): string => {
  if (noticeClass === 'expiring' && body['status'] === 'tls_error')
    return 'certificate is no longer about to expire, but in error';
  const left = noticeClass === 'renewal_sla_warning' ? fromNow(body, 'renewalDueAt') : null;
  return left !== null && left <= 0 ? 'the deadline of its renewal has passed' : recovery[noticeClass];
};

/** One line for people, at most 300 characters, from a body made above. */
export const summaryOf = (noticeClass: NoticeClass, action: NoticeAction, body: NoticeBody): string => {
  if (isOwn(noticeClass)) return displayText(ownSummary(noticeClass, action, body), 300);
  const said = action === 'resolve' ? ending(noticeClass, body) : trouble(noticeClass, body);
  return displayText(`${String(body['domain'])}: ${said}`, 300);
};
