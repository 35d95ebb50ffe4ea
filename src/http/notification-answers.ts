import * as v from 'valibot';
import { notificationStatuses } from '../db/schema-served.ts';
import { incidentRoutes, noticeClasses, severities } from '../lifecycle/notice.ts';

const id = v.pipe(v.string(), v.uuid());
const text = v.nullable(v.string());
const time = v.pipe(v.string(), v.isoTimestamp());

const notificationRow = v.strictObject({
  id,
  kind: v.picklist(['alert', 'runbook']),
  action: v.picklist(['fire', 'resolve']),
  alert_key: v.string(),
  cycle: v.string(),
  class: v.picklist(noticeClasses),
  severity: v.picklist(severities),
  route: v.picklist(incidentRoutes),
  channel: v.string(),
  domain_id: v.nullable(id),
  domain: text,
  org_id: text,
  summary: v.string(),
  body: v.record(v.string(), v.unknown()),
  status: v.picklist(notificationStatuses),
  tries: v.number(),
  requeues: v.number(),
  next_attempt_at: v.nullable(time),
  last_error: text,
  fired_at: time,
  created_at: time,
  updated_at: time,
  sent_at: v.nullable(time),
});

/** One try to deliver a notification. */
const attempt = v.strictObject({
  attempt: v.number(),
  delivered: v.boolean(),
  status: v.nullable(v.number()),
  error: text,
  snippet: text,
  duration_ms: v.number(),
  created_at: time,
});

/** A notification in the history of its domain. */
export const toldRow = v.strictObject({
  ...v.omit(notificationRow, [
    'kind',
    'alert_key',
    'cycle',
    'domain_id',
    'domain',
    'org_id',
    'body',
    'requeues',
    'next_attempt_at',
    'fired_at',
    'updated_at',
  ]).entries,
  notice: v.picklist(['alert', 'runbook']),
});

/** A notification in the story of an event, with its tries. */
export const deliveredRow = v.strictObject({ ...toldRow.entries, attempts: v.array(attempt) });

export const notificationList = v.strictObject({
  notifications: v.array(notificationRow),
  nextCursor: text,
  stats: v.strictObject({ pending: v.number(), failed: v.number(), sent: v.number(), dead: v.number() }),
});

export const notificationDetail = v.strictObject({
  notification: notificationRow,
  attempts: v.array(attempt),
});

export const requeueAnswer = v.strictObject({ ok: v.literal(true), notification: notificationRow });

export const bulkRequeueAnswer = v.strictObject({
  ok: v.literal(true),
  dryRun: v.boolean(),
  attempted: v.number(),
  requeued: v.number(),
  ids: v.array(id),
});
