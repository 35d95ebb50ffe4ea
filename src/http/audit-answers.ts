import * as v from 'valibot';
import { roles } from '../lifecycle/access.ts';

// What the audit log's answers look like, for the OpenAPI document.

const text = v.nullable(v.string());
const time = v.pipe(v.string(), v.isoTimestamp());

export const auditRow = v.strictObject({
  seq: v.number(),
  at: time,
  actor: v.string(),
  actor_kind: v.picklist(['person', 'policy', 'system']),
  role: v.nullable(v.picklist(roles)),
  action: v.string(),
  object_type: v.string(),
  object_id: text,
  org_id: text,
  before: v.unknown(),
  after: v.unknown(),
  reason: text,
  request_id: text,
  address: text,
  hash: v.string(),
});

export const auditList = v.strictObject({
  entries: v.array(auditRow),
  nextCursor: text,
  stats: v.strictObject({ total: v.number() }),
});

const place = { seq: v.number(), hash: v.string() };

export const checkpointAnswer = v.strictObject({
  signing: v.boolean(),
  checkpoint: v.nullable(v.strictObject({ ...place, at: v.number(), signature: v.string() })),
  head: v.nullable(v.strictObject(place)),
});

export const verifyAnswer = v.strictObject({
  ok: v.boolean(),
  rows: v.number(),
  last: v.strictObject(place),
  checkpoints: v.number(),
  signed: v.boolean(),
  problem: v.nullable(v.strictObject({ kind: v.string(), seq: v.number(), message: v.string() })),
});
