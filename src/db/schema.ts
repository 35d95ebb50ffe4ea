import type { ReplayResult } from '../lifecycle/replay.ts';
import type { ProbeMode, Verdict } from '../lifecycle/served.ts';
import type {
  CallbackAction,
  CallbackClass,
  DriftState,
  ErrorClass,
  EventOutcome,
  EventStatus,
  EventType,
  FailurePolicy,
  IncidentStatus,
  IncidentType,
  RenewalDueSource,
  TlsMode,
  TlsStatus,
} from '../lifecycle/types.ts';
import {
  bigint,
  bigserial,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  pgView,
  smallint,
  sql,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from './drizzle.ts';

/** Host names compare byte by byte, so that a prefix search can use the index and pages are in one order everywhere. */
const hostname = customType<{ data: string }>({ dataType: () => 'text collate "C"' });
const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });

// Property names are the column names: rows leave the API as they stand in the database (contract 4).

export const tunnels = pgTable(
  'tunnels',
  {
    id: uuid('id').primaryKey(),
    org_id: text('org_id'),
    region: text('region').notNull(),
    protocol: text('protocol').notNull().default('https'),
    created_at: at('created_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('tunnels_org_region').on(sql`coalesce(${t.org_id}, '')`, t.region)],
);

export const customDomains = pgTable(
  'custom_domains',
  {
    id: uuid('id').primaryKey(),
    org_id: text('org_id'),
    domain: hostname('domain').notNull(),
    verified: boolean('verified').notNull().default(false),
    verification_token: text('verification_token').notNull(),
    tls_mode: text('tls_mode').$type<TlsMode>().notNull().default('termination'),
    target_tunnel_id: uuid('target_tunnel_id').references(() => tunnels.id),
    region: text('region'),
    probe_address: text('probe_address').array(),
    starttls: text('starttls'),
    last_verified_at: at('last_verified_at'),
    tls_status: text('tls_status').$type<TlsStatus>().notNull(),
    certificate_ref: text('certificate_ref'),
    tls_not_before: at('tls_not_before'),
    tls_not_after: at('tls_not_after'),
    tls_last_error: text('tls_last_error'),
    tls_last_checked_at: at('tls_last_checked_at'),
    certificate_filled: boolean('certificate_filled').notNull().default(false),
    tls_fault: text('tls_fault').$type<Verdict>(),
    tls_fault_error: text('tls_fault_error'),
    observed_certificate_ref: text('observed_certificate_ref'),
    observed_not_before: at('observed_not_before'),
    observed_not_after: at('observed_not_after'),
    drift_state: text('drift_state').$type<DriftState>(),
    drift_since: at('drift_since'),
    probe_due_at: at('probe_due_at').notNull().defaultNow(),
    probe_mode: text('probe_mode').$type<ProbeMode>().notNull().default('auto'),
    probe_checks: smallint('probe_checks').notNull().default(0),
    probe_failures: integer('probe_failures').notNull().default(0),
    expiry_warn_percent: smallint('expiry_warn_percent'),
    ca_directory: text('ca_directory'),
    ari_id: text('ari_id'),
    ari_certificate_ref: text('ari_certificate_ref'),
    ari_window_end: at('ari_window_end'),
    ari_due_at: at('ari_due_at'),
    cert_failure_policy: text('cert_failure_policy').$type<FailurePolicy>().notNull().default('standard'),
    cert_failure_count: integer('cert_failure_count').notNull().default(0),
    cert_retry_backoff_seconds: integer('cert_retry_backoff_seconds').notNull().default(0),
    cert_next_retry_at: at('cert_next_retry_at'),
    cert_last_failure_at: at('cert_last_failure_at'),
    cert_last_event_id: uuid('cert_last_event_id'),
    cert_last_event_type: text('cert_last_event_type').$type<EventType>(),
    cert_last_event_at: at('cert_last_event_at'),
    cert_renewal_due_at: at('cert_renewal_due_at'),
    cert_due_current: boolean('cert_due_current').notNull().default(false),
    cert_last_success_at: at('cert_last_success_at'),
    cert_last_error: text('cert_last_error'),
    renewal_due_at: at('renewal_due_at'),
    renewal_due_source: text('renewal_due_source').$type<RenewalDueSource>(),
    look_due_at: at('look_due_at'),
    alerting: boolean('alerting').notNull().default(false),
    created_at: at('created_at').notNull().defaultNow(),
    updated_at: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('custom_domains_domain').on(t.domain),
    index('custom_domains_suffix').on(sql`reverse(${t.domain})`),
    index('custom_domains_org').on(t.org_id, t.domain),
    index('custom_domains_region').on(t.region, t.domain),
    index('custom_domains_unhealthy')
      .on(t.tls_status, t.domain)
      .where(sql`${t.tls_status} <> 'issued'`),
    index('custom_domains_drift')
      .on(t.drift_state, t.domain)
      .where(sql`${t.drift_state} <> 'in_step'`),
    check('custom_domains_failure_count', sql`${t.cert_failure_count} >= 0`),
  ],
);

export const events = pgTable(
  'certificate_lifecycle_events',
  {
    id: uuid('id').primaryKey(),
    source: text('source').notNull(),
    source_event_id: text('source_event_id'),
    cluster_id: text('cluster_id'),
    org_id: text('org_id'),
    domain_id: uuid('domain_id'),
    domain: hostname('domain').notNull(),
    event_type: text('event_type').$type<EventType>().notNull(),
    status: text('status').$type<EventStatus>().notNull().default('pending'),
    outcome: text('outcome').$type<EventOutcome>(),
    occurred_at: at('occurred_at').notNull(),
    certificate_ref: text('certificate_ref'),
    not_before: at('not_before'),
    not_after: at('not_after'),
    renewal_due_at: at('renewal_due_at'),
    reason: text('reason'),
    payload_json: jsonb('payload_json'),
    retry_count: integer('retry_count').notNull().default(0),
    next_retry_at: at('next_retry_at'),
    last_error: text('last_error'),
    error_class: text('error_class').$type<ErrorClass>(),
    /** The last error with what differs from event to event taken out, and a digest of class and pattern. */
    error_pattern: text('error_pattern'),
    error_fingerprint: text('error_fingerprint'),
    provenance_subject: text('provenance_subject'),
    provenance_verified: boolean('provenance_verified').notNull().default(false),
    callback_class: text('callback_class').$type<CallbackClass>(),
    callback_action: text('callback_action').$type<CallbackAction>(),
    callback_attempt: smallint('callback_attempt'),
    callback_received_at: at('callback_received_at'),
    dlq_replay_count: integer('dlq_replay_count').notNull().default(0),
    last_dlq_replayed_at: at('last_dlq_replayed_at'),
    generation: integer('generation').notNull().default(0),
    group_id: uuid('group_id').notNull(),
    content_hash: bytea('content_hash').notNull(),
    created_at: at('created_at').notNull(),
    updated_at: at('updated_at').notNull(),
    processed_at: at('processed_at'),
  },
  (t) => [
    uniqueIndex('cert_events_identity')
      .on(t.source, sql`coalesce(${t.cluster_id}, '')`, t.source_event_id)
      .where(sql`${t.source_event_id} is not null`),
    index('cert_events_domain').on(t.domain, t.id),
    index('cert_events_ahead')
      .on(t.domain, t.occurred_at)
      .where(sql`${t.occurred_at} - ${t.created_at} > interval '5 seconds'`),
    index('cert_events_source').on(t.source, t.id),
    index('cert_events_cluster')
      .on(t.cluster_id, t.id)
      .where(sql`${t.cluster_id} is not null`),
    index('cert_events_unresolved')
      .on(t.id)
      .where(sql`${t.domain_id} is null`),
    index('cert_events_type').on(t.event_type, t.id),
    index('cert_events_org')
      .on(t.org_id, t.id)
      .where(sql`${t.org_id} is not null`),
    index('cert_events_error')
      .on(t.error_class, t.id)
      .where(sql`${t.error_class} is not null`),
  ],
);

/** One row per failed try of an event; a try that went well is the event's own `processed_at`. */
export const eventAttempts = pgTable(
  'cert_event_attempts',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    event_id: uuid('event_id').notNull(),
    generation: integer('generation').notNull(),
    attempt: integer('attempt').notNull(),
    error_class: text('error_class').$type<ErrorClass>().notNull(),
    error: text('error').notNull(),
    next_retry_at: at('next_retry_at'),
    created_at: at('created_at').notNull(),
  },
  (t) => [index('cert_event_attempts_event').on(t.event_id, t.id)],
);

/** Replays of an event by a person or a policy: who, why, and the generation it began. */
export const eventReplays = pgTable(
  'cert_event_replays',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    event_id: uuid('event_id').notNull(),
    generation: integer('generation').notNull(),
    actor: text('actor').notNull(),
    reason: text('reason'),
    /** The bulk replay it is part of, and what it came to there; null while that is not known. */
    replay_id: bigint('replay_id', { mode: 'number' }),
    result: text('result').$type<ReplayResult>(),
    created_at: at('created_at').notNull(),
  },
  (t) => [
    index('cert_event_replays_event').on(t.event_id, t.id),
    index('cert_event_replays_bulk')
      .on(t.replay_id, t.result, t.id)
      .where(sql`${t.replay_id} is not null`),
  ],
);

export const incidents = pgTable(
  'certificate_incidents',
  {
    id: uuid('id').primaryKey(),
    domain_id: uuid('domain_id').notNull(),
    org_id: text('org_id'),
    domain: hostname('domain').notNull(),
    incident_type: text('incident_type').$type<IncidentType>().notNull(),
    tier: smallint('tier').$type<1 | 2 | 3>().notNull(),
    status: text('status').$type<IncidentStatus>().notNull().default('open'),
    event_id: uuid('event_id'),
    source: text('source'),
    cluster_id: text('cluster_id'),
    reason: text('reason'),
    context: jsonb('context').notNull(),
    acknowledged_at: at('acknowledged_at'),
    acknowledged_by: text('acknowledged_by'),
    acknowledge_note: text('acknowledge_note'),
    resolved_at: at('resolved_at'),
    resolved_by: text('resolved_by'),
    resolve_note: text('resolve_note'),
    created_at: at('created_at').notNull(),
    updated_at: at('updated_at').notNull(),
  },
  (t) => [
    uniqueIndex('certificate_incidents_live')
      .on(t.domain, t.incident_type)
      .where(sql`${t.status} <> 'resolved'`),
    index('certificate_incidents_status').on(t.status, t.id),
    index('certificate_incidents_domain').on(t.domain, t.id),
    check('certificate_incidents_tier', sql`${t.tier} between 1 and 3`),
  ],
);

/** What is known of each sender; the view below adds the state of its last event. */
export const certSources = pgTable(
  'cert_sources',
  {
    source: text('source').notNull(),
    cluster_id: text('cluster_id').notNull(),
    last_event_id: uuid('last_event_id'),
    last_event_type: text('last_event_type').$type<EventType>(),
    events_total: bigint('events_total', { mode: 'number' }).notNull().default(0),
    signature_failures: bigint('signature_failures', { mode: 'number' }).notNull().default(0),
    last_seen_at: at('last_seen_at'),
  },
  (t) => [uniqueIndex('cert_sources_identity').on(t.source, t.cluster_id)],
);

export const sourceActivity = pgView('cert_event_source_activity', {
  source: text('source').notNull(),
  cluster_id: text('cluster_id'),
  last_event_id: uuid('last_event_id'),
  last_event_type: text('last_event_type').$type<EventType>(),
  last_status: text('last_status').$type<EventStatus>(),
  events_total: bigint('events_total', { mode: 'number' }).notNull(),
  signature_failures: bigint('signature_failures', { mode: 'number' }).notNull(),
  last_seen_at: at('last_seen_at'),
}).as(sql`
  select s.source, nullif(s.cluster_id, '') as cluster_id, s.last_event_id, s.last_event_type,
         e.status as last_status, s.events_total, s.signature_failures, s.last_seen_at
  from ${certSources} s
  left join ${events} e on e.id = s.last_event_id`);
