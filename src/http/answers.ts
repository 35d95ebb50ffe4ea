import * as v from 'valibot';
import { replayResults } from '../lifecycle/replay.ts';
import {
  callbackActions,
  callbackClasses,
  errorClasses,
  eventOutcomes,
  eventStatuses,
  eventTypes,
  incidentStatuses,
  incidentTypes,
  tlsStatuses,
} from '../lifecycle/types.ts';
import { deliveredRow } from './notification-answers.ts';

// What the answers look like, for the OpenAPI document: rows leave as the database has them (contract 4).

const text = v.nullable(v.string());
const id = v.pipe(v.string(), v.uuid());
const time = v.pipe(v.string(), v.isoTimestamp());

export const eventRow = v.strictObject({
  id,
  source: v.string(),
  source_event_id: text,
  cluster_id: text,
  org_id: text,
  domain_id: v.nullable(id),
  domain: v.string(),
  event_type: v.picklist(eventTypes),
  status: v.picklist(eventStatuses),
  outcome: v.nullable(v.picklist(eventOutcomes)),
  occurred_at: time,
  certificate_ref: text,
  not_before: v.nullable(time),
  not_after: v.nullable(time),
  renewal_due_at: v.nullable(time),
  reason: text,
  payload_json: v.unknown(),
  retry_count: v.number(),
  next_retry_at: v.nullable(time),
  last_error: text,
  error_class: v.nullable(v.picklist(errorClasses)),
  error_pattern: text,
  error_fingerprint: text,
  provenance_subject: text,
  provenance_verified: v.boolean(),
  callback_class: v.nullable(v.picklist(callbackClasses)),
  callback_action: v.nullable(v.picklist(callbackActions)),
  callback_attempt: v.nullable(v.number()),
  callback_received_at: v.nullable(time),
  dlq_replay_count: v.number(),
  last_dlq_replayed_at: v.nullable(time),
  generation: v.number(),
  created_at: time,
  updated_at: time,
  processed_at: v.nullable(time),
});

export const incidentRow = v.strictObject({
  id,
  domain_id: id,
  org_id: text,
  domain: v.string(),
  incident_type: v.picklist(incidentTypes),
  tier: v.picklist([1, 2, 3]),
  status: v.picklist(incidentStatuses),
  event_id: v.nullable(id),
  source: text,
  cluster_id: text,
  reason: text,
  context: v.record(v.string(), v.unknown()),
  acknowledged_at: v.nullable(time),
  acknowledged_by: text,
  acknowledge_note: text,
  resolved_at: v.nullable(time),
  resolved_by: text,
  resolve_note: text,
  created_at: time,
  updated_at: time,
});

export const eventList = v.strictObject({
  events: v.array(eventRow),
  nextCursor: text,
  stats: v.strictObject({ pending: v.number(), applied: v.number(), failed: v.number(), unresolved: v.number() }),
});

const attempt = v.strictObject({
  generation: v.number(),
  attempt: v.number(),
  result: v.picklist(['failed', ...eventOutcomes]),
  error_class: v.nullable(v.picklist(errorClasses)),
  error: text,
  next_retry_at: v.nullable(time),
  created_at: time,
});

const replay = v.strictObject({
  generation: v.number(),
  actor: v.string(),
  reason: text,
  replay_id: v.nullable(v.number()),
  result: v.nullable(v.picklist(replayResults)),
  created_at: time,
});

export const eventDetail = v.strictObject({
  event: eventRow,
  attempts: v.array(attempt),
  replays: v.array(replay),
  deliveries: v.array(deliveredRow),
  incidents: v.array(incidentRow),
  domain: v.nullable(v.strictObject({ id, domain: v.string(), tls_status: v.picklist(tlsStatuses) })),
  timeline: v.array(v.looseObject({ at: time, kind: v.string() })),
});

export const replayAnswer = v.strictObject({ ok: v.literal(true), event: eventRow });

export const incidentList = v.strictObject({
  incidents: v.array(incidentRow),
  nextCursor: text,
  stats: v.strictObject({
    total: v.number(),
    open: v.number(),
    acknowledged: v.number(),
    resolved: v.number(),
    tier3_open: v.number(),
  }),
});

export const incidentDetail = v.strictObject({ incident: incidentRow });

export const incidentAnswer = v.strictObject({
  ok: v.literal(true),
  incident: incidentRow,
  alreadyAcknowledged: v.optional(v.literal(true)),
  alreadyResolved: v.optional(v.literal(true)),
});

export const sourceList = v.strictObject({
  sources: v.array(
    v.strictObject({
      source: v.string(),
      cluster_id: text,
      last_event_id: v.nullable(id),
      last_event_type: v.nullable(v.picklist(eventTypes)),
      last_status: v.nullable(v.picklist(eventStatuses)),
      events_total: v.number(),
      signature_failures: v.number(),
      last_seen_at: v.nullable(time),
    }),
  ),
  nextCursor: text,
});
