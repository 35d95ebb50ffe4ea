import type { AppliedEvent, Decision, DomainWrite, FailedTry } from '../lifecycle/decide.ts';
import { errorFingerprint, errorPattern } from '../lifecycle/error-pattern.ts';
import type { Tx } from './client.ts';
import { saveIncidents } from './save-incidents.ts';

/**
 * A parameter for an array, as text of its own: the driver would make text of each number, which costs more, and which V8
 * remembers, so that it outlives the collections of the young generation.
 */
const plainArray = (list: readonly (number | boolean | null)[]): string => `{${JSON.stringify(list).slice(1, -1)}}`;

const saveDomains = (tx: Tx, writes: readonly DomainWrite[], now: number) => {
  const pick = (read: (write: DomainWrite) => string | null) => writes.map(read);
  const plain = (read: (write: DomainWrite) => number | boolean | null) => plainArray(writes.map(read));
  return tx`
    update custom_domains d set
      tls_status = u.tls_status, certificate_ref = u.certificate_ref, certificate_filled = u.filled,
      tls_not_before = to_timestamp(u.not_before / 1000), tls_not_after = to_timestamp(u.not_after / 1000),
      cert_renewal_due_at = to_timestamp(u.event_due_at / 1000), cert_due_current = u.due_current,
      renewal_due_at = to_timestamp(u.due_at / 1000), renewal_due_source = u.due_source,
      tls_last_error = u.error, cert_last_error = u.event_error, cert_failure_count = u.failure_count,
      cert_retry_backoff_seconds = u.backoff, cert_next_retry_at = to_timestamp(u.next_retry_at / 1000),
      cert_last_failure_at = to_timestamp(u.last_failure_at / 1000), cert_last_success_at = to_timestamp(u.last_success_at / 1000),
      cert_last_event_id = u.last_event_id, cert_last_event_type = u.last_event_type,
      cert_last_event_at = to_timestamp(u.last_event_at / 1000), look_due_at = to_timestamp(u.look_due_at / 1000),
      probe_due_at = to_timestamp(u.probe_due_at / 1000), probe_checks = u.probe_checks, updated_at = to_timestamp(${now} / 1000.0)
    from unnest(
      ${pick((w) => w.domain.id)}::uuid[], ${pick((w) => w.view.tlsStatus)}::text[], ${pick((w) => w.view.certificate.ref)}::text[],
      ${plain((w) => w.view.certificate.filled)}::text::boolean[], ${plain((w) => w.view.certificate.notBefore)}::text::float8[],
      ${plain((w) => w.view.certificate.notAfter)}::text::float8[], ${plain((w) => w.state.renewalDueAt)}::text::float8[],
      ${plain((w) => w.state.dueCurrent)}::text::boolean[], ${plain((w) => w.view.renewalDue?.at ?? null)}::text::float8[],
      ${pick((w) => w.view.renewalDue?.source ?? null)}::text[], ${pick((w) => w.view.error)}::text[], ${pick((w) => w.state.error)}::text[],
      ${plain((w) => w.state.failureCount)}::text::int[], ${plain((w) => w.view.backoffSeconds)}::text::int[],
      ${plain((w) => w.view.nextRetryAt)}::text::float8[], ${plain((w) => w.state.lastFailureAt)}::text::float8[],
      ${plain((w) => w.state.lastSuccessAt)}::text::float8[], ${pick((w) => w.state.lastEventId)}::uuid[],
      ${pick((w) => w.state.lastEventType)}::text[], ${plain((w) => w.state.lastEventAt)}::text::float8[],
      ${plain((w) => w.schedule.lookDueAt)}::text::float8[], ${plain((w) => w.schedule.probeDueAt)}::text::float8[],
      ${plain((w) => w.schedule.probeChecks)}::text::int2[]
    ) as u(id, tls_status, certificate_ref, filled, not_before, not_after, event_due_at, due_current, due_at, due_source, error,
           event_error, failure_count, backoff, next_retry_at, last_failure_at, last_success_at, last_event_id, last_event_type,
           last_event_at, look_due_at, probe_due_at, probe_checks)
    where d.id = u.id`;
};

const saveEvents = (tx: Tx, applied: readonly AppliedEvent[], now: number) => tx`
  update certificate_lifecycle_events e set
    status = 'applied', outcome = u.outcome, domain_id = u.domain_id, org_id = u.org_id, next_retry_at = null, last_error = null,
    error_class = null, error_pattern = null, error_fingerprint = null, processed_at = to_timestamp(${now} / 1000.0), updated_at = to_timestamp(${now} / 1000.0)
  from unnest(${applied.map((a) => a.event.id)}::uuid[], ${applied.map((a) => a.outcome)}::text[],
              ${applied.map((a) => a.domain.id)}::uuid[], ${applied.map((a) => a.domain.orgId)}::text[]) as u(id, outcome, domain_id, org_id)
  where e.id = u.id`;

/** Records failed tries; a try without a next one makes the event a dead letter. */
export const saveFailures = (tx: Tx, failed: readonly FailedTry[], now: number) => {
  const patterns = failed.map(({ error }) => errorPattern(error));
  const fingerprints = failed.map(({ errorClass }, index) => errorFingerprint(errorClass, patterns[index] ?? ''));
  return tx`
  with u as (
    select * from unnest(
      ${failed.map((f) => f.event.id)}::uuid[], ${failed.map((f) => f.event.generation)}::int[], ${failed.map((f) => f.tries)}::int[],
      ${failed.map((f) => f.errorClass)}::text[], ${failed.map((f) => f.error)}::text[], ${failed.map((f) => f.nextRetryAt)}::float8[],
      ${patterns}::text[], ${fingerprints}::text[]
    ) as t(id, generation, tries, error_class, error, next_retry_at, pattern, fingerprint)
  ), noted as (
    insert into cert_event_attempts (event_id, generation, attempt, error_class, error, next_retry_at, created_at)
    select id, generation, tries, error_class, error, to_timestamp(next_retry_at / 1000), to_timestamp(${now} / 1000.0) from u
  )
  update certificate_lifecycle_events e set
    status = case when u.next_retry_at is null then 'failed' else 'pending' end,
    domain_id = case when u.error_class = 'unresolved' then null else e.domain_id end,
    org_id = case when u.error_class = 'unresolved' then null else e.org_id end,
    retry_count = u.tries, last_error = u.error, error_class = u.error_class, error_pattern = u.pattern, error_fingerprint = u.fingerprint,
    next_retry_at = to_timestamp(u.next_retry_at / 1000),
    processed_at = case when u.next_retry_at is null then to_timestamp(${now} / 1000.0) end, updated_at = to_timestamp(${now} / 1000.0)
  from u where e.id = u.id`;
};

/** Writes a decision: state, incidents and the events' own status, all in the caller's transaction. */
export const saveDecision = (tx: Tx, { domains, applied, failed }: Decision, now: number): Promise<unknown> => {
  const touched = new Set(applied.map(({ domain }) => domain.id));
  const changed = domains.filter(({ domain }) => touched.has(domain.id));
  return Promise.all([
    changed.length > 0 ? saveDomains(tx, changed, now) : null,
    applied.length > 0 ? saveEvents(tx, applied, now) : null,
    failed.length > 0 ? saveFailures(tx, failed, now) : null,
    saveIncidents(tx, domains, now),
  ]);
};
