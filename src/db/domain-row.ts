import { randomUUID } from 'node:crypto';
import type { DomainPatch } from '../lifecycle/domain-input.ts';
import { type CertState, type DomainSettings, viewOf } from '../lifecycle/fold.ts';
import type { Orm } from './client.ts';
import type { customDomains } from './schema.ts';

/** A transaction of the query builder. */
export type OrmTx = Parameters<Parameters<Orm['transaction']>[0]>[0];

/** A row of `custom_domains`, in the database's own names. */
export type DomainRow = typeof customDomains.$inferSelect;

/** What goes into a TXT record to prove that one holds a domain. */
export const newVerificationToken = (): string => randomUUID().replaceAll('-', '');

/** When a change happens (epoch ms), and CERT_EXPIRY_WARN_DAYS. */
export interface Clock {
  readonly now: number;
  readonly warnDays: number;
}

/** The columns that settings decide; all but `target_tunnel_id`, which follows from org and region. */
export type SettingColumns = Pick<
  DomainRow,
  | 'org_id'
  | 'verified'
  | 'last_verified_at'
  | 'tls_mode'
  | 'region'
  | 'probe_address'
  | 'starttls'
  | 'cert_failure_policy'
  | 'tls_status'
  | 'cert_retry_backoff_seconds'
  | 'cert_next_retry_at'
>;

const unset: SettingColumns = {
  org_id: null,
  verified: false,
  last_verified_at: null,
  tls_mode: 'termination',
  region: null,
  probe_address: null,
  starttls: null,
  cert_failure_policy: 'standard',
  tls_status: 'pending_route',
  cert_retry_backoff_seconds: 0,
  cert_next_retry_at: null,
};

type StateColumns = Pick<
  DomainRow,
  | 'cert_last_event_id'
  | 'cert_last_event_type'
  | 'cert_last_event_at'
  | 'certificate_ref'
  | 'tls_not_before'
  | 'tls_not_after'
  | 'cert_renewal_due_at'
  | 'tls_last_error'
  | 'cert_failure_count'
  | 'cert_last_failure_at'
>;

/** What the events have said so far, as the row keeps it. */
export const stateOf = (row: StateColumns): CertState => ({
  lastEventId: row.cert_last_event_id,
  lastEventType: row.cert_last_event_type,
  lastEventAt: row.cert_last_event_at?.getTime() ?? null,
  certificateRef: row.certificate_ref,
  notBefore: row.tls_not_before?.getTime() ?? null,
  notAfter: row.tls_not_after?.getTime() ?? null,
  renewalDueAt: row.cert_renewal_due_at?.getTime() ?? null,
  error: row.tls_last_error,
  failureCount: row.cert_failure_count,
  lastFailureAt: row.cert_last_failure_at?.getTime() ?? null,
});

/** The settings that the fold looks at. */
export const settingsOf = (row: Pick<DomainRow, 'tls_mode' | 'region' | 'cert_failure_policy'>): DomainSettings => ({
  tlsMode: row.tls_mode,
  routed: row.region !== null,
  failurePolicy: row.cert_failure_policy,
});

const emptyColumns: StateColumns = {
  cert_last_event_id: null,
  cert_last_event_type: null,
  cert_last_event_at: null,
  certificate_ref: null,
  tls_not_before: null,
  tls_not_after: null,
  cert_renewal_due_at: null,
  tls_last_error: null,
  cert_failure_count: 0,
  cert_last_failure_at: null,
};

const or = <T>(given: T | undefined, kept: T): T => (given === undefined ? kept : given);

/**
 * The setting columns after a patch, with the status and backoff that follow from them.
 *
 * @param row the row as it is under its lock; null for a new domain. Status and backoff are left alone when nothing that
 * they follow from changes.
 */
export const patched = (
  row: (SettingColumns & StateColumns) | null,
  patch: DomainPatch,
  clock: Clock,
): SettingColumns => {
  const before = row ?? { ...unset, ...emptyColumns };
  const next = {
    org_id: or(patch.orgId, before.org_id),
    verified: or(patch.verified, before.verified),
    tls_mode: or(patch.tlsMode, before.tls_mode),
    region: or(patch.region, before.region),
    probe_address: or(patch.probeAddress, before.probe_address),
    starttls: or(patch.starttls, before.starttls),
    cert_failure_policy: or(patch.failurePolicy, before.cert_failure_policy),
  };
  const settings = settingsOf(next);
  const was = settingsOf(before);
  const same =
    settings.tlsMode === was.tlsMode && settings.routed === was.routed && settings.failurePolicy === was.failurePolicy;
  const view = row !== null && same ? null : viewOf(settings, stateOf(before), clock.now, clock.warnDays);
  return {
    ...next,
    last_verified_at: next.verified && !before.verified ? new Date(clock.now) : before.last_verified_at,
    tls_status: view?.tlsStatus ?? before.tls_status,
    cert_retry_backoff_seconds: view?.backoffSeconds ?? before.cert_retry_backoff_seconds,
    cert_next_retry_at: view === null ? before.cert_next_retry_at : dateOf(view.nextRetryAt),
  };
};

const dateOf = (epoch: number | null): Date | null => (epoch === null ? null : new Date(epoch));

/** Whether a patch leaves every setting column as it is. */
export const unchanged = (row: SettingColumns & StateColumns, next: SettingColumns, clock: Clock): boolean =>
  JSON.stringify(patched(row, {}, clock)) === JSON.stringify(next);
