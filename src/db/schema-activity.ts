import type { PolicyReport } from '../lifecycle/policy-report.ts';
import { bigint, integer, jsonb, pgTable, primaryKey, smallint, text, timestamp } from './drizzle.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });

/**
 * What the pipe did, by minute since 1970: `accepted` events (bucket 0), requests for `ingest` and `applied` events by class
 * of duration (index into the histogram's upper bounds, the last for all beyond), and failed tries as
 * `failed.<error class>` (bucket 0). Every process adds its own. What is older than two hours stands in steps of ten minutes.
 */
export const pipeActivity = pgTable(
  'pipe_activity',
  {
    minute: integer('minute').notNull(),
    kind: text('kind').notNull(),
    bucket: smallint('bucket').notNull(),
    n: bigint('n', { mode: 'number' }).notNull(),
  },
  (t) => [primaryKey({ name: 'pipe_activity_pkey', columns: [t.minute, t.kind, t.bucket] })],
);

/** Certificates by the day they expire (since 1970) and owner, '' for all owners together; counted anew now and then. */
export const expiryDays = pgTable(
  'expiry_days',
  {
    org_id: text('org_id').notNull(),
    day: integer('day').notNull(),
    domains: integer('domains').notNull(),
    /** Of these, past the time at which they had to be renewed. */
    overdue: integer('overdue').notNull(),
  },
  (t) => [primaryKey({ name: 'expiry_days_pkey', columns: [t.org_id, t.day] })],
);

/** When the certificates were last counted, and how long that took; one row. */
export const expiryCounts = pgTable('expiry_counts', {
  id: smallint('id').primaryKey(),
  at: at('at').notNull(),
  took_ms: integer('took_ms').notNull(),
});

/** What the replay policy did or would have done when it last ran; one row. */
export const policyReports = pgTable('policy_reports', {
  id: smallint('id').primaryKey(),
  at: at('at').notNull(),
  report: jsonb('report').$type<PolicyReport>().notNull(),
});
