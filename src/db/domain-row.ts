import { randomUUID } from 'node:crypto';
import type { DomainPatch } from '../lifecycle/domain-input.ts';
import { lookDueAt } from '../lifecycle/schedule.ts';
import type { Served, Truth } from '../lifecycle/status.ts';
import { type RenewalWindow, viewOf, type Warnings } from '../lifecycle/view.ts';
import type { Orm } from './client.ts';
import type { customDomains } from './schema.ts';

/** A transaction of the query builder. */
export type OrmTx = Parameters<Parameters<Orm['transaction']>[0]>[0];

/** A row of `custom_domains`, in the database's own names. */
export type DomainRow = typeof customDomains.$inferSelect;

/** What goes into a TXT record to prove that one holds a domain. */
export const newVerificationToken = (): string => randomUUID().replaceAll('-', '');

/** When a change happens (epoch ms), and what counts as a warning. */
export interface Clock extends Warnings {
  readonly now: number;
}

/** The columns that settings decide; all but `target_tunnel_id`, which follows from org and region. */
const settingColumns = {
  org_id: null,
  verified: false,
  last_verified_at: null,
  tls_mode: 'termination',
  region: null,
  probe_address: null,
  starttls: null,
  probe_mode: 'auto',
  expiry_warn_percent: null,
  ca_directory: null,
  ari_due_at: null,
  cert_failure_policy: 'standard',
  tls_status: 'pending_route',
  tls_last_error: null,
  cert_retry_backoff_seconds: 0,
  cert_next_retry_at: null,
  renewal_due_at: null,
  renewal_due_source: null,
  look_due_at: null,
  probe_failures: 0,
  drift_state: null,
  drift_since: null,
  tls_fault: null,
  tls_fault_error: null,
} as const satisfies Partial<DomainRow>;

const stateColumns = {
  cert_last_event_id: null,
  cert_last_event_type: null,
  cert_last_event_at: null,
  certificate_ref: null,
  certificate_filled: false,
  tls_not_before: null,
  tls_not_after: null,
  cert_renewal_due_at: null,
  cert_due_current: false,
  cert_last_success_at: null,
  cert_last_error: null,
  cert_failure_count: 0,
  cert_last_failure_at: null,
  observed_certificate_ref: null,
  observed_not_before: null,
  observed_not_after: null,
  tls_last_checked_at: null,
  ari_certificate_ref: null,
  ari_window_end: null,
  alerting: false,
} as const satisfies Partial<DomainRow>;

type SettingState = Pick<DomainRow, keyof typeof settingColumns>;
type StateColumns = Pick<DomainRow, keyof typeof stateColumns>;

/** What a change of settings writes. */
export interface SettingColumns extends SettingState {
  readonly probe_due_at: Date;
}

type KnownColumns = SettingColumns & StateColumns;

const epochOf = (date: Date | null): number | null => date?.getTime() ?? null;
const dateOf = (epoch: number | null): Date | null => (epoch === null ? null : new Date(epoch));

const servedOf = (row: SettingState & StateColumns): Served => ({
  certificateRef: row.observed_certificate_ref,
  notBefore: epochOf(row.observed_not_before),
  notAfter: epochOf(row.observed_not_after),
  fault: row.tls_fault,
  faultError: row.tls_fault_error,
  checkedAt: epochOf(row.tls_last_checked_at),
  filled:
    row.certificate_filled && row.certificate_ref !== null
      ? { ref: row.certificate_ref, notBefore: epochOf(row.tls_not_before), notAfter: epochOf(row.tls_not_after) }
      : null,
});

/** All that a row's status follows from. */
export const truthOf = (row: SettingState & StateColumns): Truth => ({
  settings: {
    tlsMode: row.tls_mode,
    routed: row.region !== null,
    verified: row.verified,
    failurePolicy: row.cert_failure_policy,
    expiryWarnPercent: row.expiry_warn_percent,
  },
  state: {
    lastEventId: row.cert_last_event_id,
    lastEventType: row.cert_last_event_type,
    lastEventAt: epochOf(row.cert_last_event_at),
    certificateRef: row.certificate_filled ? null : row.certificate_ref,
    notBefore: row.certificate_filled ? null : epochOf(row.tls_not_before),
    notAfter: row.certificate_filled ? null : epochOf(row.tls_not_after),
    renewalDueAt: epochOf(row.cert_renewal_due_at),
    dueCurrent: row.cert_due_current,
    lastSuccessAt: epochOf(row.cert_last_success_at),
    error: row.cert_last_error,
    failureCount: row.cert_failure_count,
    lastFailureAt: epochOf(row.cert_last_failure_at),
  },
  served: servedOf(row),
});

const windowOf = ({ ari_certificate_ref: ref, ari_window_end: end }: StateColumns): RenewalWindow | null =>
  ref === null || end === null ? null : { certificateRef: ref, endsAt: end.getTime() };

const or = <T>(given: T | undefined, kept: T): T => (given === undefined ? kept : given);
const same = (one: unknown, two: unknown): boolean => JSON.stringify(one) === JSON.stringify(two);

/** How the domain is reached, and whether it is looked at: after a change the old looks say nothing. */
const reach = ({ verified, tls_mode, region, probe_address, starttls, probe_mode }: SettingState): unknown[] => [
  verified,
  tls_mode,
  region !== null,
  probe_address,
  starttls,
  probe_mode,
];

/** What is left of earlier looks once they say nothing any more. */
const noFinding = {
  tls_fault: null,
  tls_fault_error: null,
  drift_state: null,
  drift_since: null,
  probe_failures: 0,
} as const;

/** The columns that follow from the settings, at the moment they change. */
const followUp = (row: SettingState & StateColumns, was: StateColumns & SettingState, clock: Clock) => {
  const truth = truthOf(row);
  const view = viewOf(truth, windowOf(row), clock.now, clock.warnDays);
  return {
    tls_status: view.tlsStatus,
    tls_last_error: view.error,
    cert_retry_backoff_seconds: view.backoffSeconds,
    cert_next_retry_at: dateOf(view.nextRetryAt),
    renewal_due_at: dateOf(view.renewalDue?.at ?? null),
    renewal_due_source: view.renewalDue?.source ?? null,
    look_due_at: dateOf(lookDueAt({ tlsStatus: was.tls_status, alerting: row.alerting }, truth, view, clock)),
  };
};

/**
 * The setting columns after a patch, with the status, backoff and clocks that follow from them.
 *
 * @param row the row as it is under its lock; null for a new domain. What follows is left alone when nothing changes.
 */
export const patched = (row: KnownColumns | null, patch: DomainPatch, clock: Clock): SettingColumns => {
  const before = row ?? { ...settingColumns, ...stateColumns, probe_due_at: new Date(clock.now) };
  const given = {
    org_id: or(patch.orgId, before.org_id),
    verified: or(patch.verified, before.verified),
    tls_mode: or(patch.tlsMode, before.tls_mode),
    region: or(patch.region, before.region),
    probe_address: or(patch.probeAddress, before.probe_address),
    starttls: or(patch.starttls, before.starttls),
    probe_mode: or(patch.probeMode, before.probe_mode),
    expiry_warn_percent: or(patch.expiryWarnPercent, before.expiry_warn_percent),
    ca_directory: or(patch.caDirectory, before.ca_directory),
    cert_failure_policy: or(patch.failurePolicy, before.cert_failure_policy),
  };
  // Object.keys of a literal: exactly its keys.
  const changed = (Object.keys(given) as (keyof typeof given)[]).some((key) => !same(given[key], before[key]));
  const kept = Object.fromEntries(
    [...Object.keys(settingColumns), 'probe_due_at'].map((key) => [key, before[key as keyof typeof before]]),
    // Exactly the keys of SettingColumns.
  ) as unknown as SettingColumns;
  if (row !== null && !changed) return kept;
  const reached = { ...before, ...given };
  const moved = row === null || !same(reach(reached), reach(before));
  const next = moved ? { ...reached, ...noFinding } : reached;
  const { tls_fault, tls_fault_error, drift_state, drift_since, probe_failures } = next;
  return {
    ...kept,
    ...given,
    tls_fault,
    tls_fault_error,
    drift_state,
    drift_since,
    probe_failures,
    ...followUp(next, before, clock),
    last_verified_at: next.verified && !before.verified ? new Date(clock.now) : before.last_verified_at,
    probe_due_at: moved ? new Date(clock.now) : before.probe_due_at,
    ari_due_at: next.ca_directory === null ? null : (before.ari_due_at ?? new Date(clock.now)),
  };
};

/** Whether a patch leaves every setting column as it is. */
export const unchanged = (row: KnownColumns, next: SettingColumns, clock: Clock): boolean =>
  same(patched(row, {}, clock), next);
