import type { PlanFacts, ReplayFilter } from '../lifecycle/replay.ts';
import type { ErrorClass, EventType } from '../lifecycle/types.ts';
import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
  timestamp,
  uuid,
} from './drizzle.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });

const noFacts: PlanFacts = {
  domains: 0,
  sources: 0,
  replayedBefore: 0,
  sample: [],
  groups: [],
  firstEndedAt: null,
  lastEndedAt: null,
};

/** The events that gave up, kept beside the ledger by a trigger: narrow rows, so that all of them can be grouped at once. */
export const deadLetters = pgTable(
  'dead_letters',
  {
    event_id: uuid('event_id').primaryKey(),
    error_class: text('error_class').$type<ErrorClass>().notNull(),
    /** Of class and pattern; what one group has in common. */
    fingerprint: text('fingerprint').notNull(),
    /** The error with what differs from event to event taken out. */
    pattern: text('pattern').notNull(),
    domain: text('domain').notNull(),
    source: text('source').notNull(),
    cluster_id: text('cluster_id'),
    org_id: text('org_id'),
    event_type: text('event_type').$type<EventType>().notNull(),
    /** Times it was replayed before. */
    replays: integer('replays').notNull(),
    created_at: at('created_at').notNull(),
    failed_at: at('failed_at').notNull(),
  },
  (t) => [
    index('dead_letters_group').on(t.fingerprint, t.event_id),
    index('dead_letters_failed').on(t.failed_at),
    index('dead_letters_looping')
      .on(t.failed_at)
      .where(sql`${t.replays} >= 3`),
  ],
);

export const replayStates = ['planned', 'running', 'paused', 'done', 'cancelled'] as const;
export type ReplayState = (typeof replayStates)[number];

/** Bulk replays, from plan to end. What each event came to is in `cert_event_replays`. */
export const replays = pgTable(
  'replays',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    state: text('state').$type<ReplayState>().notNull(),
    /** Which events, as asked for; those that changed after `created_at` are not among them. */
    filter: jsonb('filter').$type<ReplayFilter>().notNull(),
    /** What the plan came upon, as the person who executes it was shown. */
    facts: jsonb('facts').$type<PlanFacts>().notNull().default(noFacts),
    org_id: text('org_id'),
    force: boolean('force').notNull(),
    reset_retry: boolean('reset_retry').notNull(),
    rate_per_second: integer('rate_per_second').notNull(),
    reason: text('reason'),
    planned_by: text('planned_by').notNull(),
    executed_by: text('executed_by'),
    /** Events of the plan. */
    total: integer('total').notNull(),
    /** Of those, the ones that were come to; each was opened, or skipped because it was not any more as it was planned. */
    looked: integer('looked').notNull().default(0),
    opened: integer('opened').notNull().default(0),
    skipped: integer('skipped').notNull().default(0),
    applied: integer('applied').notNull().default(0),
    failed_again: integer('failed_again').notNull().default(0),
    /** Of those opened, the ones that failed a try and will be tried again. */
    retrying: integer('retrying').notNull().default(0),
    /** What had gone well and not when a person let it go on; only what comes after can make it pause by itself. */
    seen_applied: integer('seen_applied').notNull().default(0),
    seen_failed: integer('seen_failed').notNull().default(0),
    /** The last event looked at; the rest come after it. */
    position: uuid('position'),
    /** Why it stands still, where no person said so. */
    paused_because: text('paused_because'),
    created_at: at('created_at').notNull(),
    expires_at: at('expires_at').notNull(),
    executed_at: at('executed_at'),
    /** When the runner last opened events; the rate counts from here. */
    stepped_at: at('stepped_at'),
    finished_at: at('finished_at'),
  },
  (t) => [index('replays_state').on(t.state, t.id)],
);

/**
 * The events of a plan in the order of their ids, a thousand a row, each with when it came to the end that it is to be taken
 * back from (epoch ms): one that ended anew since then is not the one that was planned.
 */
export const replayParts = pgTable(
  'replay_parts',
  {
    replay_id: bigint('replay_id', { mode: 'number' })
      .notNull()
      .references(() => replays.id, { onDelete: 'cascade' }),
    part: integer('part').notNull(),
    event_ids: uuid('event_ids').array().notNull(),
    ended_ms: bigint('ended_ms', { mode: 'number' }).array().notNull(),
  },
  (t) => [primaryKey({ name: 'replay_parts_pkey', columns: [t.replay_id, t.part] })],
);
