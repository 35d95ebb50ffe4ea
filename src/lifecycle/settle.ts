import { type Condition, conditionsOf, type DueDomain, isDrift, isJudged } from './alert-conditions.ts';
import { type AlertDecision, type AlertLimits, type AlertRow, decideAlerts, type LastNotice } from './alerts.ts';
import { type CurrentIncident, type IncidentOp, type IncidentWrite, settleIncidents } from './incidents.ts';
import { driftTexts } from './notice.ts';
import type { Verdict } from './served.ts';
import { isExpired, standingFault } from './status.ts';
import type { IncidentType } from './types.ts';
import { type DomainView, nextTurn, settledView, type Warnings } from './view.ts';

/** A domain that is due, with all that the decision about it needs. */
export interface DueLook {
  readonly domain: DueDomain;
  readonly incidents: readonly CurrentIncident[];
  readonly alerts: readonly AlertRow[];
  readonly lastNotices: readonly LastNotice[];
}

export type SettleLimits = AlertLimits & Warnings;

/** What the settle pass writes of one domain. */
export interface Settlement {
  readonly domain: DueDomain;
  readonly view: DomainView;
  readonly incidents: readonly IncidentWrite[];
  readonly alerts: AlertDecision;
  /** When to turn to it again (epoch ms); null when only an event or a look can change anything. */
  readonly lookDueAt: number | null;
}

type Op = readonly IncidentOp[];

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

/** Raises what is not live yet, or live with other words; a repeat of the same writes nothing. */
const raise = (
  live: readonly CurrentIncident[],
  type: IncidentType,
  reason: string | null,
  context: Readonly<Record<string, string | null>>,
): Op => {
  const known = live.find((one) => one.type === type);
  if (known !== undefined && known.reason === reason) return [];
  const given = Object.fromEntries(Object.entries(context).filter(([, value]) => value !== null));
  return [{ kind: 'raise', draft: { type, tier: 2, eventId: null, reason, context: given, eventIds: new Set() } }];
};

/** What makes a domain `tls_error` beside a failure event: what a look found, or the end of its certificate. */
const faultOf = (domain: DueDomain, view: DomainView, now: number): Verdict | null => {
  if (view.tlsStatus !== 'tls_error') return null;
  return standingFault(domain) ?? (isExpired(domain, now) ? 'expired' : null);
};

const tlsErrorOps = ({ domain, incidents }: DueLook, view: DomainView, now: number): Op => {
  const type = 'tls_error';
  const { served } = domain;
  const fault = faultOf(domain, view, now);
  if (fault !== null) {
    const reason = standingFault(domain) === null ? 'the certificate has expired' : served.faultError;
    const certificateRef = served.certificateRef ?? view.certificate.ref;
    return raise(incidents, type, reason, { fault, certificateRef, checkedAt: iso(served.checkedAt) });
  }
  if (!isJudged(view)) return [{ kind: 'recover', type, by: 'settings' }];
  // A fault that a later event has outdated is over only when a look has found it so.
  if (served.fault !== null || isExpired(domain, now)) return [];
  return [{ kind: 'recover', type, by: served.checkedAt === null ? 'event' : 'probe' }];
};

const driftOps = ({ domain, incidents }: DueLook, view: DomainView): Op => {
  const type = 'certificate_drift';
  const { driftState, driftSince, state, served } = domain;
  // Drift that is not judged any more is told of no more: the incident ends with its alert.
  if (!isJudged(view) || driftState === null) return [{ kind: 'recover', type, by: 'settings' }];
  if (!isDrift(driftState)) return [{ kind: 'recover', type, by: 'probe' }];
  return raise(incidents, type, driftTexts[driftState] ?? driftState, {
    driftState,
    driftSince: iso(driftSince),
    expectedCertificateRef: state.certificateRef,
    observedCertificateRef: served.certificateRef,
  });
};

/** The incidents that stand once these writes are made; a new one has no id yet. */
const standing = (live: readonly CurrentIncident[], writes: readonly IncidentWrite[]): CurrentIncident[] => {
  const written = new Set(writes.map(({ type }) => type));
  const now = writes.filter(({ status }) => status !== 'resolved').map((write) => ({ ...write, id: write.id ?? '' }));
  return [...live.filter(({ type }) => !written.has(type)), ...now];
};

const earliest = (...times: readonly (number | null)[]): number | null => {
  const given = times.filter((at) => at !== null);
  return given.length === 0 ? null : Math.min(...given);
};

/**
 * Decides all that follows from what events said, what is served and the time: status, incidents, alerts, and when to look
 * again. Pure; `due` is what stands in the database behind the domain's lock.
 */
export const settle = (due: DueLook, limits: SettleLimits): Settlement => {
  const { domain } = due;
  const { now, warnDays } = limits;
  const view = settledView(domain, domain.window, now, warnDays);
  const incidents = settleIncidents(due.incidents, [...tlsErrorOps(due, view, now), ...driftOps(due, view)]);
  const holding: Condition[] = conditionsOf(domain, view, standing(due.incidents, incidents), limits);
  const current = { status: view.tlsStatus, error: view.error };
  const alerts = decideAlerts(domain, holding, due.alerts, due.lastNotices, current, limits);
  const turn = nextTurn(domain, view.renewalDue, now, limits);
  return { domain, view, incidents, alerts, lookDueAt: earliest(turn, alerts.nextReminderAt) };
};
