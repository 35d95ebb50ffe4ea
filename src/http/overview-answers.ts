import * as v from 'valibot';
import { attentionKinds } from '../lifecycle/attention.ts';
import { escalationClasses } from '../lifecycle/escalation.ts';
import { incidentRoutes, severities } from '../lifecycle/notice.ts';
import { errorClasses, tlsStatuses } from '../lifecycle/types.ts';

const text = v.nullable(v.string());
const number = v.nullable(v.number());
const time = v.pipe(v.string(), v.isoTimestamp());
const share = v.strictObject({ name: text, count: v.number() });

const attentionItem = v.strictObject({
  kind: v.picklist(attentionKinds),
  severity: v.picklist(severities),
  title: v.string(),
  detail: text,
  count: v.number(),
  since: v.nullable(time),
  forWhom: v.nullable(
    v.strictObject({ unit: v.picklist(['org', 'source', 'channel']), shares: v.array(share), more: v.number() }),
  ),
  link: v.strictObject({
    list: v.picklist(['domains', 'events', 'dead-letters', 'sources', 'notifications']),
    query: v.record(v.string(), v.string()),
  }),
});

/** A second, and seconds. */
const rates = {
  acceptedPerSecond: v.number(),
  appliedPerSecond: v.number(),
  failedTriesPerSecond: v.number(),
  applyP50: number,
  applyP99: number,
  ingestP50: number,
  ingestP99: number,
};

export const overviewAnswer = v.strictObject({
  generatedAt: time,
  attention: v.array(attentionItem),
  well: v.array(v.picklist(attentionKinds)),
  domains: v.strictObject({
    total: v.number(),
    byStatus: v.record(v.picklist(tlsStatuses), v.number()),
    drift: v.number(),
  }),
  events: v.strictObject({
    pending: v.number(),
    retrying: v.number(),
    failed: v.number(),
    oldestPendingAt: v.nullable(time),
  }),
  sources: number,
  now: v.nullable(v.strictObject(rates)),
  day: v.nullable(v.array(v.strictObject({ at: time, ...rates }))),
  expiry: v.strictObject({
    countedAt: v.nullable(time),
    days: v.array(v.strictObject({ day: v.string(), domains: v.number(), overdue: v.number() })),
  }),
});

const policyGroup = {
  fingerprint: v.string(),
  pattern: v.string(),
  errorClass: v.picklist(errorClasses),
  class: v.picklist(escalationClasses),
  events: v.number(),
  since: time,
  reason: v.string(),
};

export const policyAnswer = v.strictObject({
  enabled: v.boolean(),
  dryRun: v.boolean(),
  report: v.nullable(
    v.strictObject({
      mode: v.picklist(['on', 'dry-run']),
      at: time,
      events: v.number(),
      replayed: v.partial(v.strictObject(v.entriesFromList(escalationClasses, v.number()))),
      waiting: v.array(v.strictObject(policyGroup)),
      escalations: v.array(v.strictObject({ ...policyGroup, route: v.picklist(incidentRoutes) })),
      more: v.number(),
    }),
  ),
});
