import type { LockedDomain } from './decide.ts';
import type { CurrentIncident } from './incidents.ts';
import {
  alertBody,
  type AlertFacts,
  type DeploymentEnv,
  type DomainClass,
  driftBody,
  type NoticeBody,
  type NoticeClass,
  slaBody,
} from './notice.ts';
import { currentValidity, expectedValidity } from './status.ts';
import type { DriftState, IncidentType } from './types.ts';
import type { DomainView, Warnings } from './view.ts';

const hour = 3_600_000;

/** A domain as the settle pass has locked it. */
export interface DueDomain extends LockedDomain {
  readonly driftState: DriftState | null;
  /** Epoch ms. */
  readonly driftSince: number | null;
}

/** Something that is wrong now, with a domain or with our own work, and worth an alert. */
export interface Condition {
  readonly class: NoticeClass;
  /** The certificate it speaks of; another one is another matter, and told at once. */
  readonly cycle: string;
  readonly body: NoticeBody;
  /** Somebody has taken it in hand: no reminders. */
  readonly silenced: boolean;
}

export interface ConditionLimits extends Warnings {
  /** Epoch ms. */
  readonly now: number;
  readonly environment: DeploymentEnv;
}

/** The incidents that speak of what an alert speaks of. */
const matching: Readonly<Record<DomainClass, readonly IncidentType[]>> = {
  tls_error: ['tls_error', 'renewal_failed', 'issuance_failed'],
  expiring: ['certificate_expiring', 'renewal_failed'],
  renewal_sla_warning: ['renewal_failed', 'certificate_expiring'],
  renewal_sla_breach: ['renewal_failed', 'certificate_expiring'],
  drift: ['certificate_drift'],
};

/** True when there is a live incident of the class, and all of them are acknowledged. */
const isSilenced = (noticeClass: DomainClass, live: readonly CurrentIncident[]): boolean => {
  const mine = live.filter(({ type }) => matching[noticeClass].includes(type));
  return mine.length > 0 && mine.every(({ status }) => status === 'acknowledged');
};

/** Whether a domain's status is one that looks and certificates have a say in. */
export const isJudged = ({ tlsStatus }: Pick<DomainView, 'tlsStatus'>): boolean =>
  tlsStatus !== 'passthrough_unverified' && tlsStatus !== 'pending_route';

export const isDrift = (state: DriftState | null): state is Exclude<DriftState, 'in_step'> =>
  state !== null && state !== 'in_step';

/**
 * The tier of a renewal's deadline (contract 6): past it a breach, near it a warning, never both. Only verified domains
 * that end TLS have a deadline.
 */
export const slaClassOf = (
  { settings }: Pick<DueDomain, 'settings'>,
  { renewalDue }: Pick<DomainView, 'renewalDue'>,
  { now, slaWarningHours }: Pick<ConditionLimits, 'now' | 'slaWarningHours'>,
): 'renewal_sla_warning' | 'renewal_sla_breach' | null => {
  if (!settings.verified || settings.tlsMode !== 'termination' || renewalDue === null) return null;
  if (renewalDue.at <= now) return 'renewal_sla_breach';
  return renewalDue.at - now <= slaWarningHours * hour ? 'renewal_sla_warning' : null;
};

const cycleOf = (ref: string | null, notAfter: number | null): string =>
  ref ?? (notAfter === null ? 'none' : `until ${new Date(notAfter).toISOString()}`);

/** Everything that is wrong with a domain now: its status, its renewal's deadline, what it serves. */
export const conditionsOf = (
  domain: DueDomain,
  view: DomainView,
  live: readonly CurrentIncident[],
  limits: ConditionLimits,
): Condition[] => {
  const facts = <C extends DomainClass>(noticeClass: C): AlertFacts & { readonly class: C } => ({
    class: noticeClass,
    environment: limits.environment,
    domainId: domain.id,
    domain: domain.domain,
    tlsMode: domain.settings.tlsMode,
    status: view.tlsStatus,
    notAfter: currentValidity(domain)?.notAfter ?? view.certificate.notAfter,
    error: view.error,
    at: limits.now,
  });
  const cycle = cycleOf(view.certificate.ref, view.certificate.notAfter);
  const holds = (noticeClass: DomainClass, body: NoticeBody): Condition => ({
    class: noticeClass,
    cycle,
    body,
    silenced: isSilenced(noticeClass, live),
  });
  const { tlsStatus, renewalDue } = view;
  const sla = slaClassOf(domain, view, limits);
  const found: Condition[] = [];
  if (tlsStatus === 'tls_error' || tlsStatus === 'expiring') found.push(holds(tlsStatus, alertBody(facts(tlsStatus))));
  if (sla !== null && renewalDue !== null) {
    const due = { renewalDueAt: renewalDue.at, warningWindowHours: limits.slaWarningHours };
    found.push(holds(sla, slaBody({ ...facts(sla), ...due })));
  }
  if (isDrift(domain.driftState) && isJudged(view)) {
    const drift = {
      driftState: domain.driftState,
      driftSince: domain.driftSince,
      expectedCertificateRef: domain.state.certificateRef,
      observedCertificateRef: domain.served.certificateRef,
      expectedNotAfter: expectedValidity(domain)?.notAfter ?? null,
      observedNotAfter: domain.served.notAfter,
    };
    found.push(holds('drift', driftBody({ ...facts('drift'), ...drift })));
  }
  return found;
};
