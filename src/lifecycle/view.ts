import { domainBackoffSeconds } from './backoff.ts';
import type { CertState } from './fold.ts';
import {
  currentValidity,
  expectedValidity,
  isExpired,
  standingFault,
  statusOf,
  type Truth,
  type Validity,
  warningWindowMs,
} from './status.ts';
import { isFailure } from './types.ts';
import type { RenewalDueSource, TlsStatus } from './types.ts';

const hour = 3_600_000;

/** End of the window in which the CA suggests to renew (RFC 9773, section 4.2), and the certificate it speaks of. */
export interface RenewalWindow {
  readonly certificateRef: string;
  readonly endsAt: number;
}

export interface RenewalDue {
  readonly at: number;
  readonly source: RenewalDueSource;
}

/** CERT_EXPIRY_WARN_DAYS and CERT_RENEWAL_SLA_WARNING_HOURS. */
export interface Warnings {
  readonly warnDays: number;
  readonly slaWarningHours: number;
}

/**
 * When the current certificate has to be renewed: what its event said, else the end of the CA's window, else two thirds of
 * its lifetime. Null when nothing tells.
 */
export const renewalDueOf = (truth: Truth, window: RenewalWindow | null): RenewalDue | null => {
  const { state } = truth;
  if (state.dueCurrent && state.renewalDueAt !== null) return { at: state.renewalDueAt, source: 'event' };
  const shown = shownCertificate(truth);
  const ref = shown.ref ?? truth.served.certificateRef;
  if (window !== null && window.certificateRef === ref) return { at: window.endsAt, source: 'ari' };
  const validity = expectedValidity(truth) ?? (shown.filled ? validityOf(shown) : null);
  if (validity === null || validity.notBefore === null) return null;
  return {
    at: Math.floor(validity.notBefore + ((validity.notAfter - validity.notBefore) * 2) / 3),
    source: 'lifetime',
  };
};

const saysNothing = (state: CertState): boolean => state.certificateRef === null && state.notAfter === null;

const validityOf = ({ notBefore, notAfter }: ShownCertificate): Validity | null =>
  notAfter === null ? null : { notBefore, notAfter };

/** The certificate that a row shows: events', or where they never spoke of one, what a good look found. */
export interface ShownCertificate {
  readonly ref: string | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  /** True when it comes from a look. */
  readonly filled: boolean;
}

const shownCertificate = ({ state, served }: Truth): ShownCertificate => {
  const { certificateRef: ref, notBefore, notAfter, fault, filled } = served;
  if (!saysNothing(state))
    return { ref: state.certificateRef, notBefore: state.notBefore, notAfter: state.notAfter, filled: false };
  if (ref !== null && fault === null) return { ref, notBefore, notAfter, filled: true };
  // A fault takes nothing back: a renewal that is due stays due while the server is down.
  if (filled) return { ...filled, filled: true };
  return { ref: null, notBefore: state.notBefore, notAfter: null, filled: false };
};

/** The columns of `custom_domains` that follow from settings, events and what is served. */
export interface DomainView {
  readonly tlsStatus: TlsStatus;
  readonly error: string | null;
  readonly certificate: ShownCertificate;
  readonly backoffSeconds: number;
  readonly nextRetryAt: number | null;
  readonly renewalDue: RenewalDue | null;
}

const errorOf = (truth: Truth): string | null => {
  const { state, served } = truth;
  if (state.lastEventType !== null && isFailure(state.lastEventType)) return state.error;
  return standingFault(truth) === null ? state.error : served.faultError;
};

export const viewOf = (truth: Truth, window: RenewalWindow | null, now: number, warnDays: number): DomainView => {
  const { settings, state } = truth;
  const backoffSeconds = domainBackoffSeconds(settings.failurePolicy, state.failureCount);
  return {
    tlsStatus: statusOf(truth, now, warnDays),
    error: errorOf(truth),
    certificate: shownCertificate(truth),
    backoffSeconds,
    nextRetryAt: state.lastFailureAt === null ? null : state.lastFailureAt + backoffSeconds * 1000,
    renewalDue: renewalDueOf(truth, window),
  };
};

/**
 * The view after time has done its part as well: a certificate that has ended is an error, not one that is about to end.
 * Applying events leaves that to the sweep, so that what an event does depends on the event alone.
 */
export const settledView = (truth: Truth, window: RenewalWindow | null, now: number, warnDays: number): DomainView => {
  const view = viewOf(truth, window, now, warnDays);
  if ((view.tlsStatus !== 'expiring' && view.tlsStatus !== 'issued') || !isExpired(truth, now)) return view;
  return { ...view, tlsStatus: 'tls_error', error: view.error ?? 'the certificate has expired' };
};

/** When time alone next changes the status or the SLA class of a domain (epoch ms); null when it never does. */
export const nextTurn = (
  truth: Truth,
  due: RenewalDue | null,
  now: number,
  { warnDays, slaWarningHours }: Warnings,
): number | null => {
  const validity = currentValidity(truth);
  const turns = [
    ...(validity === null
      ? []
      : [validity.notAfter - warningWindowMs(validity, warnDays, truth.settings.expiryWarnPercent), validity.notAfter]),
    ...(due === null ? [] : [due.at - slaWarningHours * hour, due.at]),
  ].filter((at) => at > now);
  return turns.length === 0 ? null : Math.ceil(Math.min(...turns));
};
