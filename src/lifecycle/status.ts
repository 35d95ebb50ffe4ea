import type { EventType, TlsMode, TlsStatus } from './types.ts';

const day = 86_400_000;

/** How many milliseconds before its end a certificate counts as expiring. Certificates that live under 90 days
 * expire in the last third of their life; a fixed number of days would make them expire for ever. */
export const warningWindowMs = (notBefore: number | null, notAfter: number, warnDays: number): number => {
  const lifetime = notBefore === null ? Number.POSITIVE_INFINITY : notAfter - notBefore;
  return lifetime < 90 * day ? Math.max(0, lifetime) / 3 : warnDays * day;
};

export interface StatusFacts {
  readonly tlsMode: TlsMode;
  readonly routed: boolean;
  readonly lastEventType: EventType | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
}

/** The status that configuration and events give a domain at `now` (epoch ms); `warnDays` is CERT_EXPIRY_WARN_DAYS. */
export const statusOf = (facts: StatusFacts, now: number, warnDays: number): TlsStatus => {
  if (facts.tlsMode === 'passthrough') return 'passthrough_unverified';
  if (!facts.routed) return 'pending_route';
  switch (facts.lastEventType) {
    case null:
      return 'pending_issue';
    case 'issuance_failed':
    case 'renewal_failed':
      return 'tls_error';
    case 'certificate_expiring':
      return 'expiring';
    case 'issuance_succeeded':
    case 'renewal_succeeded': {
      const { notBefore, notAfter } = facts;
      const expiring = notAfter !== null && notAfter - now <= warningWindowMs(notBefore, notAfter, warnDays);
      return expiring ? 'expiring' : 'issued';
    }
  }
};
