import * as v from 'valibot';
import { replayStates } from '../db/schema-replays.ts';
import { errorClasses } from '../lifecycle/types.ts';

// What the answers look like, for the OpenAPI document.

const text = v.nullable(v.string());
const time = v.pipe(v.string(), v.isoTimestamp());
const ok = v.literal(true);
const errorClass = v.picklist(errorClasses);

const facts = {
  domains: v.number(),
  sources: v.number(),
  replayedBefore: v.number(),
  sample: v.array(v.strictObject({ id: v.string(), domain: v.string() })),
  groups: v.array(v.strictObject({ fingerprint: v.string(), errorClass, pattern: v.string(), events: v.number() })),
  firstEndedAt: v.nullable(v.number()),
  lastEndedAt: v.nullable(v.number()),
};

const plan = v.strictObject({
  id: v.number(),
  total: v.number(),
  ...facts,
  filter: v.looseObject({}),
  ratePerSecond: v.number(),
  resetRetry: v.boolean(),
  force: v.boolean(),
  reason: text,
  plannedBy: v.string(),
  createdAt: time,
  expiresAt: time,
});

export const replayRow = v.strictObject({
  id: v.number(),
  state: v.picklist(replayStates),
  filter: v.looseObject({}),
  facts: v.strictObject(facts),
  org_id: text,
  force: v.boolean(),
  reset_retry: v.boolean(),
  rate_per_second: v.number(),
  reason: text,
  planned_by: v.string(),
  executed_by: text,
  total: v.number(),
  opened: v.number(),
  applied: v.number(),
  failed_again: v.number(),
  retrying: v.number(),
  skipped: v.number(),
  waiting: v.number(),
  left: v.number(),
  eta_seconds: v.nullable(v.number()),
  paused_because: text,
  created_at: time,
  expires_at: time,
  executed_at: v.nullable(time),
  finished_at: v.nullable(time),
});

export const planAnswer = v.strictObject({ ok, plan });

export const replayList = v.strictObject({ replays: v.array(replayRow), nextCursor: text });

export const replayDetail = v.strictObject({
  replay: replayRow,
  failures: v.array(
    v.strictObject({
      error_class: v.nullable(errorClass),
      fingerprint: text,
      pattern: text,
      events: v.number(),
      retrying: v.number(),
    }),
  ),
});

export const executeAnswer = v.strictObject({
  ok,
  replay: replayRow,
  changed: v.number(),
  message: v.optional(v.string()),
  alreadyExecuted: v.optional(ok),
});

export const stateAnswer = v.strictObject({ ok, replay: replayRow, unchanged: v.optional(ok) });

export const bulkAnswer = v.strictObject({
  ok,
  dryRun: v.boolean(),
  attempted: v.number(),
  replayed: v.number(),
  ids: v.array(v.string()),
  replayId: v.optional(v.number()),
});

export const groupList = v.strictObject({
  groups: v.array(
    v.strictObject({
      fingerprint: v.string(),
      error_class: errorClass,
      pattern: v.string(),
      events: v.number(),
      domains: v.number(),
      replayed_before: v.number(),
      first_failed_at: time,
      last_failed_at: time,
      sources: v.number(),
      first_sources: v.array(v.strictObject({ source: v.string(), cluster_id: text, events: v.number() })),
      hours: v.pipe(v.array(v.number()), v.length(24)),
      oldest: v.array(v.string()),
    }),
  ),
  nextCursor: text,
  totals: v.strictObject({ events: v.number(), groups: v.number(), domains: v.number(), sources: v.number() }),
});
