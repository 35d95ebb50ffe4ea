import type {
  ErrorClass,
  EventStatus,
  EventType,
  IncidentStatus,
  IncidentType,
  TlsStatus,
} from '../lifecycle/types.ts';
import { bigint, boolean, index, integer, pgTable, primaryKey, smallint, text, timestamp, uuid } from './drizzle.ts';

/**
 * Counts kept by triggers as signed deltas and folded together now and then: a sum over a few rows instead of a scan over
 * millions, and no row that every writer waits for.
 */
export const domainCounts = pgTable('domain_counts', {
  org_id: text('org_id'),
  region: text('region'),
  tls_status: text('tls_status').$type<TlsStatus>().notNull(),
  n: bigint('n', { mode: 'number' }).notNull(),
  last_event_at: timestamp('last_event_at', { withTimezone: true, mode: 'date', precision: 3 }),
});

export const eventCounts = pgTable('event_counts', {
  org_id: text('org_id'),
  source: text('source').notNull(),
  cluster_id: text('cluster_id'),
  event_type: text('event_type').$type<EventType>().notNull(),
  status: text('status').$type<EventStatus>().notNull(),
  error_class: text('error_class').$type<ErrorClass>(),
  resolved: boolean('resolved').notNull(),
  n: bigint('n', { mode: 'number' }).notNull(),
});

/** Events by hour of receipt, counted from 1970. */
export const eventHours = pgTable('event_hours', {
  hour: integer('hour').notNull(),
  n: bigint('n', { mode: 'number' }).notNull(),
});

export const incidentCounts = pgTable('incident_counts', {
  org_id: text('org_id'),
  source: text('source'),
  cluster_id: text('cluster_id'),
  incident_type: text('incident_type').$type<IncidentType>().notNull(),
  tier: smallint('tier').$type<1 | 2 | 3>().notNull(),
  status: text('status').$type<IncidentStatus>().notNull(),
  n: bigint('n', { mode: 'number' }).notNull(),
});

// What follows is kept by triggers too, beside the tables it speaks of: an index on a column that every event changes would
// have every other index of the row written again. Without one, PostgreSQL updates the row in place (HOT).

/** The events that are not applied. */
export const unfinishedEvents = pgTable(
  'unfinished_events',
  {
    status: text('status').$type<Exclude<EventStatus, 'applied'>>().notNull(),
    event_id: uuid('event_id').notNull(),
  },
  (t) => [primaryKey({ name: 'unfinished_events_pkey', columns: [t.status, t.event_id] })],
);

/** When renewals are due, of verified domains that terminate TLS here. */
export const renewalDeadlines = pgTable(
  'renewal_deadlines',
  {
    domain_id: uuid('domain_id').primaryKey(),
    due_at: timestamp('due_at', { withTimezone: true, mode: 'date', precision: 3 }).notNull(),
  },
  (t) => [index('renewal_deadlines_due').on(t.due_at)],
);
