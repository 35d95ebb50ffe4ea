import type { Verdict } from '../../lifecycle/served.ts';
import type { DriftState, ErrorClass, EventType, IncidentType, TlsStatus } from '../../lifecycle/types.ts';

/** The words of the screen for the names of the contract. */
export const statusWords: Readonly<Record<TlsStatus, string>> = {
  issued: 'issued',
  expiring: 'expiring',
  tls_error: 'TLS error',
  pending_issue: 'pending issue',
  pending_route: 'pending route',
  passthrough_unverified: 'passthrough',
};

export const driftWords: Readonly<Record<DriftState, string>> = {
  in_step: 'in step',
  stale_served: 'old certificate served',
  unknown_served: 'unknown certificate served',
  addresses_differ: 'addresses differ',
};

/** What a look at one address found. */
export const verdictWords: Readonly<Record<Verdict, string>> = {
  ok: 'accepted',
  untrusted: 'not trusted',
  wrong_host: 'wrong host',
  expired: 'expired',
  not_yet_valid: 'not valid yet',
  dns_failed: 'name not found',
  dns_timeout: 'name server silent',
  address_refused: 'address not allowed',
  connection_refused: 'connection refused',
  unreachable: 'unreachable',
  connect_timeout: 'no answer',
  handshake_timeout: 'handshake too slow',
  closed: 'connection closed',
  tls_alert: 'TLS alert',
  not_tls: 'no TLS',
  starttls_failed: 'STARTTLS failed',
  oversized: 'answer too large',
};

export const eventWords: Readonly<Record<EventType, string>> = {
  issuance_succeeded: 'issuance succeeded',
  issuance_failed: 'issuance failed',
  renewal_succeeded: 'renewal succeeded',
  renewal_failed: 'renewal failed',
  certificate_expiring: 'certificate expiring',
};

export const incidentWords: Readonly<Record<IncidentType, string>> = {
  issuance_failed: 'issuance failed',
  renewal_failed: 'renewal failed',
  certificate_expiring: 'certificate expiring',
  tls_error: 'TLS error',
  certificate_drift: 'drift',
};

export const errorClassWords: Readonly<Record<ErrorClass, string>> = {
  unresolved: 'unresolved',
  invalid: 'invalid',
  internal: 'internal',
};

/** The first letter in upper case, for the start of a sentence. */
export const sentence = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** What is left of a name of the contract that has no words of its own. */
export const plainWords = (name: string): string => name.replaceAll('_', ' ');
