/** Words of the certificate life cycle, as they stand in the database and on the wire (contract 1, 2, 3). */
export const eventTypes = [
  'issuance_succeeded',
  'issuance_failed',
  'renewal_succeeded',
  'renewal_failed',
  'certificate_expiring',
] as const;
export type EventType = (typeof eventTypes)[number];

export const callbackClasses = ['issuance', 'renewal', 'challenge', 'deployment'] as const;
export type CallbackClass = (typeof callbackClasses)[number];

export const callbackActions = ['started', 'succeeded', 'failed', 'retrying'] as const;
export type CallbackAction = (typeof callbackActions)[number];

export const eventStatuses = ['pending', 'applied', 'failed'] as const;
export type EventStatus = (typeof eventStatuses)[number];

export const eventOutcomes = ['applied', 'superseded'] as const;
export type EventOutcome = (typeof eventOutcomes)[number];

/** Why an event could not be applied. `unresolved`: its domain is not registered; `invalid`: it can never be applied;
 * `internal`: a fault of the program, worth another try. */
export const errorClasses = ['unresolved', 'invalid', 'internal'] as const;
export type ErrorClass = (typeof errorClasses)[number];

export const tlsModes = ['termination', 'passthrough'] as const;
export type TlsMode = (typeof tlsModes)[number];

export const tlsStatuses = [
  'pending_issue',
  'pending_route',
  'issued',
  'expiring',
  'tls_error',
  'passthrough_unverified',
] as const;
export type TlsStatus = (typeof tlsStatuses)[number];

export const failurePolicies = ['standard', 'strict', 'hold'] as const;
export type FailurePolicy = (typeof failurePolicies)[number];

export const incidentTypes = [
  'issuance_failed',
  'renewal_failed',
  'certificate_expiring',
  'tls_error',
  'certificate_drift',
] as const;
export type IncidentType = (typeof incidentTypes)[number];

export const incidentStatuses = ['open', 'acknowledged', 'resolved'] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];
export type IncidentTier = 1 | 2 | 3;

/** What is served beside what events said. `stale_served`: renewed, but the old certificate is served; `unknown_served`:
 * one that no event spoke of; `addresses_differ`: not the same on every address. */
export const driftStates = ['in_step', 'stale_served', 'unknown_served', 'addresses_differ'] as const;
export type DriftState = (typeof driftStates)[number];

export const renewalDueSources = ['event', 'ari', 'lifetime'] as const;
export type RenewalDueSource = (typeof renewalDueSources)[number];

export type FailureType = 'issuance_failed' | 'renewal_failed';
export type SuccessType = 'issuance_succeeded' | 'renewal_succeeded';
export const isFailure = (type: EventType): type is FailureType =>
  type === 'issuance_failed' || type === 'renewal_failed';
export const isSuccess = (type: EventType): type is SuccessType =>
  type === 'issuance_succeeded' || type === 'renewal_succeeded';

/** One event of the ledger, as the fold sees it. Times are epoch milliseconds; `id` is a uuidv7. */
export interface LedgerEvent {
  readonly id: string;
  readonly source: string;
  readonly clusterId: string | null;
  readonly sourceEventId: string | null;
  readonly eventType: EventType;
  readonly occurredAt: number;
  readonly certificateRef: string | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  readonly renewalDueAt: number | null;
  readonly reason: string | null;
  readonly callbackClass: CallbackClass | null;
  readonly callbackAction: CallbackAction | null;
  readonly callbackAttempt: number | null;
}
