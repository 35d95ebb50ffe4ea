import type { LockedDomain } from '../lifecycle/decide.ts';
import type { CertState } from '../lifecycle/fold.ts';
import type { DomainClocks } from '../lifecycle/schedule.ts';
import type { DomainSettings, Served } from '../lifecycle/status.ts';
import type { Tx } from './client.ts';
import { ms } from './epoch.ts';

/** A domain as {@link lockedColumns} reads it: flat, because building JSON costs the server more than finding the row. */
export interface LockedRow
  extends
    Pick<LockedDomain, 'id' | 'domain' | 'orgId'>,
    DomainSettings,
    DomainClocks,
    Omit<CertState, 'certificateRef' | 'notBefore' | 'notAfter' | 'error'>,
    Pick<Served, 'fault' | 'faultError' | 'checkedAt'> {
  readonly filled: boolean;
  readonly shownRef: string | null;
  readonly shownNotBefore: number | null;
  readonly shownNotAfter: number | null;
  readonly eventError: string | null;
  readonly observedRef: string | null;
  readonly observedNotBefore: number | null;
  readonly observedNotAfter: number | null;
  readonly windowRef: string;
  readonly windowEnd: number | null;
}

/** What {@link lockedDomain} takes, from a row of `custom_domains d`; shared by all that decide under its lock. */
export const lockedColumns = (tx: Tx) => tx`
  d.id, d.domain, d.org_id as "orgId", d.tls_mode as "tlsMode", d.target_tunnel_id is not null as routed, d.verified,
  d.cert_failure_policy as "failurePolicy", d.expiry_warn_percent as "expiryWarnPercent", d.cert_last_event_id as "lastEventId",
  d.cert_last_event_type as "lastEventType", ${ms(tx, 'd.cert_last_event_at')} as "lastEventAt", d.certificate_filled as filled,
  d.certificate_ref as "shownRef", ${ms(tx, 'd.tls_not_before')} as "shownNotBefore", ${ms(tx, 'd.tls_not_after')} as "shownNotAfter",
  ${ms(tx, 'd.cert_renewal_due_at')} as "renewalDueAt", d.cert_due_current as "dueCurrent",
  ${ms(tx, 'd.cert_last_success_at')} as "lastSuccessAt", d.cert_last_error as "eventError", d.cert_failure_count as "failureCount",
  ${ms(tx, 'd.cert_last_failure_at')} as "lastFailureAt", d.observed_certificate_ref as "observedRef",
  ${ms(tx, 'd.observed_not_before')} as "observedNotBefore", ${ms(tx, 'd.observed_not_after')} as "observedNotAfter",
  d.tls_fault as fault, d.tls_fault_error as "faultError", ${ms(tx, 'd.tls_last_checked_at')} as "checkedAt",
  d.ari_certificate_ref as "windowRef", ${ms(tx, 'd.ari_window_end')} as "windowEnd", d.tls_status as "tlsStatus", d.alerting,
  ${ms(tx, 'd.look_due_at')} as "lookDueAt", ${ms(tx, 'd.probe_due_at')} as "probeDueAt", d.probe_checks as "probeChecks"`;

const stateOf = (row: LockedRow): CertState => ({
  lastEventId: row.lastEventId,
  lastEventType: row.lastEventType,
  lastEventAt: row.lastEventAt,
  certificateRef: row.filled ? null : row.shownRef,
  notBefore: row.filled ? null : row.shownNotBefore,
  notAfter: row.filled ? null : row.shownNotAfter,
  renewalDueAt: row.renewalDueAt,
  dueCurrent: row.dueCurrent,
  lastSuccessAt: row.lastSuccessAt,
  error: row.eventError,
  failureCount: row.failureCount,
  lastFailureAt: row.lastFailureAt,
});

const servedOf = (row: LockedRow): Served => ({
  certificateRef: row.observedRef,
  notBefore: row.observedNotBefore,
  notAfter: row.observedNotAfter,
  fault: row.fault,
  faultError: row.faultError,
  checkedAt: row.checkedAt,
  filled:
    row.filled && row.shownRef !== null
      ? { ref: row.shownRef, notBefore: row.shownNotBefore, notAfter: row.shownNotAfter }
      : null,
});

/** A domain as the core takes it. */
export const lockedDomain = (row: LockedRow): LockedDomain => ({
  id: row.id,
  domain: row.domain,
  orgId: row.orgId,
  settings: {
    tlsMode: row.tlsMode,
    routed: row.routed,
    verified: row.verified,
    failurePolicy: row.failurePolicy,
    expiryWarnPercent: row.expiryWarnPercent,
  },
  state: stateOf(row),
  served: servedOf(row),
  window: row.windowEnd === null ? null : { certificateRef: row.windowRef, endsAt: row.windowEnd },
  clocks: {
    tlsStatus: row.tlsStatus,
    alerting: row.alerting,
    lookDueAt: row.lookDueAt,
    probeDueAt: row.probeDueAt,
    probeChecks: row.probeChecks,
  },
});
