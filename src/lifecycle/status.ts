import type { CertState } from './fold.ts';
import type { Verdict } from './served.ts';
import type { FailurePolicy, TlsMode, TlsStatus } from './types.ts';

const day = 86_400_000;

/** The domain's own settings, which no event and no probe changes. */
export interface DomainSettings {
  readonly tlsMode: TlsMode;
  readonly routed: boolean;
  readonly verified: boolean;
  readonly failurePolicy: FailurePolicy;
  /** Percent of a certificate's lifetime that counts as expiring; null for the rule of the product. */
  readonly expiryWarnPercent: number | null;
}

/** What the last look at all addresses of a domain came to. Times are epoch milliseconds. */
export interface Served {
  /** Leaf that ends first among those served; stands until another is seen. */
  readonly certificateRef: string | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  /** What is wrong on any address; null when nothing is. */
  readonly fault: Verdict | null;
  readonly faultError: string | null;
  readonly checkedAt: number | null;
  /** The certificate of the last good look, while events speak of none. */
  readonly filled?: FilledCertificate | null;
}

export interface FilledCertificate {
  readonly ref: string;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
}

export const neverServed: Served = {
  certificateRef: null,
  notBefore: null,
  notAfter: null,
  fault: null,
  faultError: null,
  checkedAt: null,
};

/** All that a domain's status follows from. */
export interface Truth {
  readonly settings: DomainSettings;
  readonly state: CertState;
  readonly served: Served;
}

export interface Validity {
  readonly notBefore: number | null;
  readonly notAfter: number;
}

/** How many milliseconds before its end a certificate counts as expiring. Certificates that live under 90 days
 * expire in the last third of their life; a fixed number of days would make them expire for ever. */
export const warningWindowMs = (
  { notBefore, notAfter }: Validity,
  warnDays: number,
  warnPercent: number | null = null,
): number => {
  const lifetime = notBefore === null ? Number.POSITIVE_INFINITY : Math.max(0, notAfter - notBefore);
  if (warnPercent !== null && Number.isFinite(lifetime)) return (lifetime * warnPercent) / 100;
  return lifetime < 90 * day ? lifetime / 3 : warnDays * day;
};

/** True when the last look came after the last event, so that it knows of more than the events do. */
const isLater = ({ state, served }: Truth): boolean =>
  served.checkedAt !== null && served.checkedAt >= (state.lastEventAt ?? Number.NEGATIVE_INFINITY);

/** True when what is served is the certificate that events spoke of, as far as both can be compared. */
export const isServed = (state: CertState, ref: string | null, notAfter: number | null): boolean | null => {
  if (state.certificateRef?.startsWith('sha256:') === true && ref !== null)
    return state.certificateRef.toUpperCase() === ref.toUpperCase();
  // Certificates carry whole seconds.
  if (state.notAfter !== null && notAfter !== null)
    return Math.floor(state.notAfter / 1000) === Math.floor(notAfter / 1000);
  return null;
};

/** Validity of the certificate that events spoke of; what they left out is taken from a look at that same certificate. */
export const expectedValidity = ({ state, served }: Truth): Validity | null => {
  const same = isServed(state, served.certificateRef, served.notAfter) === true;
  const notAfter = state.notAfter ?? (same ? served.notAfter : null);
  if (notAfter === null) return null;
  return { notBefore: state.notBefore ?? (same ? served.notBefore : null), notAfter };
};

/** Validity of the certificate that is in use as far as is known: events', unless a later, good look found another. */
export const currentValidity = (truth: Truth): Validity | null => {
  const { state, served } = truth;
  const expected = expectedValidity(truth);
  if (served.notAfter === null || served.fault !== null || !isLater(truth)) return expected;
  const same = isServed(state, served.certificateRef, served.notAfter);
  if (same === true && expected !== null) return expected;
  return { notBefore: served.notBefore, notAfter: served.notAfter };
};

/** The fault that counts against a domain now: one that was found before the last event says nothing any more. */
export const standingFault = (truth: Truth): Verdict | null => (isLater(truth) ? truth.served.fault : null);

const byTime = (truth: Truth, now: number, warnDays: number): TlsStatus => {
  const validity = currentValidity(truth);
  if (validity === null) return 'issued';
  const window = warningWindowMs(validity, warnDays, truth.settings.expiryWarnPercent);
  return validity.notAfter - now <= window ? 'expiring' : 'issued';
};

/** Status by settings, events and what is served at `now` (epoch ms); `warnDays` is CERT_EXPIRY_WARN_DAYS (contract 2). */
export const statusOf = (truth: Truth, now: number, warnDays: number): TlsStatus => {
  const { settings, state, served } = truth;
  if (settings.tlsMode === 'passthrough') return 'passthrough_unverified';
  if (!settings.routed) return 'pending_route';
  if (standingFault(truth) !== null) return 'tls_error';
  switch (state.lastEventType) {
    case null:
      return served.notAfter === null || served.fault !== null ? 'pending_issue' : byTime(truth, now, warnDays);
    case 'issuance_failed':
    case 'renewal_failed':
      return 'tls_error';
    case 'certificate_expiring': {
      const replaced = isServed(state, served.certificateRef, served.notAfter) === false;
      return replaced && isLater(truth) ? byTime(truth, now, warnDays) : 'expiring';
    }
    case 'issuance_succeeded':
    case 'renewal_succeeded':
      return byTime(truth, now, warnDays);
  }
};

/** True when the certificate in use has ended. */
export const isExpired = (truth: Truth, now: number): boolean => {
  const validity = currentValidity(truth);
  return validity !== null && validity.notAfter <= now;
};
