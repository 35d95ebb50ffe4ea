import type { NoticeClass } from '../lifecycle/notice.ts';
import type {
  DriftState,
  ErrorClass,
  EventStatus,
  EventType,
  IncidentStatus,
  IncidentType,
  TlsStatus,
} from '../lifecycle/types.ts';
import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  sql,
  text,
  timestamp,
  uuid,
} from './drizzle.ts';
import type { NotificationStatus } from './schema-served.ts';

/**
 * Counts kept by triggers as signed deltas and folded together now and then: a sum over a few rows instead of a scan over
 * millions, and no row that every writer waits for.
 */
export const domainCounts = pgTable('domain_counts', {
  org_id: text('org_id'),
  region: text('region'),
  tls_status: text('tls_status').$type<TlsStatus>().notNull(),
  drift_state: text('drift_state').$type<DriftState>(),
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

export const notificationCounts = pgTable('notification_counts', {
  org_id: text('org_id'),
  channel: text('channel').notNull(),
  class: text('class').$type<NoticeClass>().notNull(),
  status: text('status').$type<NotificationStatus>().notNull(),
  n: bigint('n', { mode: 'number' }).notNull(),
});

/** Events of each sender by hour of receipt, counted from 1970; the last two days and an hour are kept. */
export const sourceHours = pgTable('source_hours', {
  source: text('source').notNull(),
  /** '' for a sender without a cluster. */
  cluster_id: text('cluster_id').notNull(),
  hour: integer('hour').notNull(),
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

/**
 * When to turn to a domain again, and for what; null where there is nothing to do. Sweeps are ranges of these indexes.
 * The probe sweep claims rows by moving `probe_due_at` ahead here; `custom_domains` keeps what was decided.
 */
export const domainClocks = pgTable(
  'domain_clocks',
  {
    domain_id: uuid('domain_id').primaryKey(),
    renewal_due_at: timestamp('renewal_due_at', { withTimezone: true, mode: 'date', precision: 3 }),
    look_due_at: timestamp('look_due_at', { withTimezone: true, mode: 'date', precision: 3 }),
    probe_due_at: timestamp('probe_due_at', { withTimezone: true, mode: 'date', precision: 3 }),
    ari_due_at: timestamp('ari_due_at', { withTimezone: true, mode: 'date', precision: 3 }),
    /** When the certificate ends that the domain's row shows. */
    ends_at: timestamp('ends_at', { withTimezone: true, mode: 'date', precision: 3 }),
  },
  (t) => [
    index('domain_clocks_end')
      .on(t.ends_at, t.domain_id)
      .where(sql`${t.ends_at} is not null`),
    index('domain_clocks_renewal').on(t.renewal_due_at),
    index('domain_clocks_look').on(t.look_due_at),
    index('domain_clocks_probe').on(t.probe_due_at),
    index('domain_clocks_ari')
      .on(t.ari_due_at)
      .where(sql`${t.ari_due_at} is not null`),
  ],
);

/** Counters that outlive a process, raised in the transaction whose outcome they count. `labels` is the sample's label part. */
export const counters = pgTable(
  'counters',
  {
    name: text('name').notNull(),
    labels: text('labels').notNull().default(''),
    value: bigint('value', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'counters_pkey', columns: [t.name, t.labels] })],
);
