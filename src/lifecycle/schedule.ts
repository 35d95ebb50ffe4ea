import type { Truth } from './status.ts';
import { isSuccess } from './types.ts';
import type { LedgerEvent, TlsStatus } from './types.ts';
import { type DomainView, nextTurn, type Warnings } from './view.ts';

const minute = 60_000;
const hour = 60 * minute;
const longestQuietMs = 24 * hour;

/** When a domain is turned to again, as its row has it. Times are epoch milliseconds. */
export interface DomainClocks {
  readonly tlsStatus: TlsStatus;
  /** True while an alert of the domain fires. */
  readonly alerting: boolean;
  readonly lookDueAt: number | null;
  readonly probeDueAt: number;
  /** Looks at a deployment that are still to come. */
  readonly probeChecks: number;
}

export interface Schedule {
  readonly lookDueAt: number | null;
  readonly probeDueAt: number;
  readonly probeChecks: number;
}

export interface ScheduleLimits extends Warnings {
  readonly now: number;
  /** CERT_PROBE_QUIET_SECONDS. */
  readonly probeQuietSeconds: number;
}

/** A deployment is looked at three times: this long after a success event, then after four and ten minutes more. */
export const deploymentCheckMs = [minute, 4 * minute, 10 * minute] as const;

const isCalm = (status: TlsStatus): boolean => status !== 'tls_error' && status !== 'expiring';

/** When alerts have to be looked at: now where something may have to be said or taken back, else when time changes something. */
export const lookDueAt = (
  { tlsStatus, alerting }: Pick<DomainClocks, 'tlsStatus' | 'alerting'>,
  truth: Truth,
  view: DomainView,
  limits: Warnings & { readonly now: number },
): number | null => {
  const { now, slaWarningHours } = limits;
  const due = view.renewalDue !== null && view.renewalDue.at - slaWarningHours * hour <= now;
  if (alerting || due || !isCalm(tlsStatus) || !isCalm(view.tlsStatus)) return now;
  return nextTurn(truth, view.renewalDue, now, limits);
};

/**
 * The clocks of a domain after events: a success has its deployment checked, any other event keeps probes away for a while.
 *
 * @param events those that are later than all that the state reflected; a domain that was only refolded keeps its probes.
 */
export const scheduleAfter = (
  clocks: DomainClocks,
  events: readonly Pick<LedgerEvent, 'eventType'>[],
  truth: Truth,
  view: DomainView,
  limits: ScheduleLimits,
): Schedule => {
  const look = lookDueAt(clocks, truth, view, limits);
  const { probeChecks, probeDueAt } = clocks;
  if (events.some(({ eventType }) => isSuccess(eventType))) {
    const first = limits.now + deploymentCheckMs[0];
    // A check that is about to come stands: one success after the other must not put it off for ever.
    const coming = probeChecks === deploymentCheckMs.length && probeDueAt < first;
    return { lookDueAt: look, probeDueAt: coming ? probeDueAt : first, probeChecks: deploymentCheckMs.length };
  }
  if (events.length === 0) return { lookDueAt: look, probeDueAt, probeChecks };
  const { checkedAt } = truth.served;
  // Event after event would keep probes away for ever: a day after the last look there is one.
  const latest = checkedAt === null ? Number.POSITIVE_INFINITY : checkedAt + longestQuietMs;
  const quiet = Math.min(limits.now + limits.probeQuietSeconds * 1000, latest);
  return { lookDueAt: look, probeDueAt: probeChecks > 0 ? probeDueAt : Math.max(probeDueAt, quiet), probeChecks };
};
