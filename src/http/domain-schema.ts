import * as v from 'valibot';
import { probeDepths, probeModes, starttlsProtocols, verdicts } from '../lifecycle/served.ts';
import {
  driftStates,
  eventTypes,
  failurePolicies,
  renewalDueSources,
  tlsModes,
  tlsStatuses,
} from '../lifecycle/types.ts';
import { eventRow, incidentRow } from './answers.ts';
import { toldRow } from './notification-answers.ts';

// What the answers look like, for the OpenAPI document; the tests hold real answers against it.

const text = v.nullable(v.string());
const at = v.pipe(v.string(), v.isoTimestamp());
const maybeAt = v.nullable(at);
const word = <const T extends readonly string[]>(words: T) => v.nullable(v.picklist(words));
const id = v.pipe(v.string(), v.uuid());
const maybeId = v.nullable(id);

export const domainRow = v.pipe(
  v.strictObject({
    id,
    org_id: text,
    domain: v.string(),
    verified: v.boolean(),
    verification_token: v.string(),
    tls_mode: v.picklist(tlsModes),
    target_tunnel_id: maybeId,
    region: text,
    probe_address: v.nullable(v.array(v.string())),
    starttls: word(starttlsProtocols),
    last_verified_at: maybeAt,
    tls_status: v.picklist(tlsStatuses),
    certificate_ref: text,
    tls_not_before: maybeAt,
    tls_not_after: maybeAt,
    tls_last_error: text,
    tls_last_checked_at: maybeAt,
    certificate_filled: v.boolean(),
    tls_fault: word(verdicts),
    tls_fault_error: text,
    observed_certificate_ref: text,
    observed_not_before: maybeAt,
    observed_not_after: maybeAt,
    drift_state: word(driftStates),
    drift_since: maybeAt,
    probe_due_at: at,
    probe_mode: v.picklist(probeModes),
    probe_checks: v.number(),
    probe_failures: v.number(),
    expiry_warn_percent: v.nullable(v.number()),
    ca_directory: text,
    ari_id: text,
    ari_certificate_ref: text,
    ari_window_end: maybeAt,
    ari_due_at: maybeAt,
    cert_failure_policy: v.picklist(failurePolicies),
    cert_failure_count: v.number(),
    cert_retry_backoff_seconds: v.number(),
    cert_next_retry_at: maybeAt,
    cert_last_failure_at: maybeAt,
    cert_last_event_id: maybeId,
    cert_last_event_type: word(eventTypes),
    cert_last_event_at: maybeAt,
    cert_renewal_due_at: maybeAt,
    cert_due_current: v.boolean(),
    cert_last_success_at: maybeAt,
    cert_last_error: text,
    renewal_due_at: maybeAt,
    renewal_due_source: word(renewalDueSources),
    look_due_at: maybeAt,
    alerting: v.boolean(),
    created_at: at,
    updated_at: at,
  }),
  v.metadata({ ref: 'Domain' }),
);

/** An event without its payload. */
const domainEvent = v.omit(eventRow, ['payload_json']);

const servedDetails = v.strictObject({
  serial: v.string(),
  subject: v.string(),
  issuer: v.string(),
  names: v.array(v.string()),
  chainLength: v.number(),
  tlsVersion: text,
  ocsp: word(['good', 'revoked', 'unknown']),
});

const addressRow = v.strictObject({
  address: v.string(),
  certificate_ref: text,
  tls_not_after: maybeAt,
  verdict: v.picklist(verdicts),
  error: text,
  depth: v.picklist(probeDepths),
  checked_at: at,
  details: v.nullable(servedDetails),
});

const observationRow = v.strictObject({
  id: v.number(),
  address: v.string(),
  certificate_ref: text,
  tls_not_after: maybeAt,
  verdict: v.picklist(verdicts),
  error: text,
  depth: v.picklist(probeDepths),
  created_at: at,
});

/** One thing that happened to a domain; `at` is when. */
const timelineEntry = v.variant('kind', [
  v.strictObject({ kind: v.literal('event'), at, ...domainEvent.entries }),
  v.strictObject({ kind: v.literal('incident'), at, ...incidentRow.entries }),
  v.strictObject({ kind: v.literal('probe'), at, ...observationRow.entries }),
  v.strictObject({ kind: v.literal('notification'), at, ...toldRow.entries }),
]);

export const domainAnswer = v.strictObject({ ok: v.literal(true), domain: domainRow });
export const probeAnswer = v.strictObject({ ok: v.literal(true), domain: v.string(), queued: v.literal(true) });
export const domainListAnswer = v.strictObject({ domains: v.array(domainRow), nextCursor: text });
export const domainDetailAnswer = v.strictObject({
  domain: domainRow,
  addresses: v.array(addressRow),
  timeline: v.array(timelineEntry),
});
export const domainEventsAnswer = v.strictObject({ events: v.array(domainEvent), nextCursor: text });

export const summaryAnswer = v.strictObject({
  regions: v.array(
    v.strictObject({
      region: v.string(),
      total: v.number(),
      issued: v.number(),
      expiring: v.number(),
      tls_error: v.number(),
      pending_issue: v.number(),
      pending_route: v.number(),
      passthrough_unverified: v.number(),
      last_event_at: maybeAt,
    }),
  ),
});

export const createdAnswer = v.strictObject({
  ok: v.literal(true),
  domain: domainRow,
  verification: v.strictObject({ type: v.literal('TXT'), name: v.string(), value: v.string() }),
});

export const importAnswer = v.strictObject({
  ok: v.boolean(),
  message: v.optional(v.string()),
  imported: v.number(),
  failed: v.number(),
  errors: v.array(v.strictObject({ line: v.number(), message: v.string() })),
});
