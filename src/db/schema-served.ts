import type { NoticeClass, Severity, IncidentRoute } from '../lifecycle/notice.ts';
import type { ProbeDepth, Verdict } from '../lifecycle/served.ts';
import {
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
  uniqueIndex,
  uuid,
} from './drizzle.ts';

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 });

/** What each address of a domain served at the last look. */
export const domainAddresses = pgTable(
  'domain_addresses',
  {
    domain_id: uuid('domain_id').notNull(),
    address: text('address').notNull(),
    certificate_ref: text('certificate_ref'),
    tls_not_before: at('tls_not_before'),
    tls_not_after: at('tls_not_after'),
    chain_not_after: at('chain_not_after'),
    verdict: text('verdict').$type<Verdict>().notNull(),
    error: text('error'),
    depth: text('depth').$type<ProbeDepth>().notNull(),
    /** Verdict and error of the last full handshake, which a fetch carries on. */
    full_verdict: text('full_verdict').$type<Verdict>(),
    full_error: text('full_error'),
    fully_checked_at: at('fully_checked_at'),
    checked_at: at('checked_at').notNull(),
    /** Looks in a row that found no certificate. */
    failures: integer('failures').notNull().default(0),
    /** Issuer, names, serial, TLS version, stapled OCSP state. */
    details: jsonb('details'),
  },
  (t) => [primaryKey({ name: 'domain_addresses_pkey', columns: [t.domain_id, t.address] })],
);

/** What looks found, one row for each change on an address; `address` is empty when the name led to none. */
export const probeObservations = pgTable(
  'probe_observations',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    domain_id: uuid('domain_id').notNull(),
    address: text('address').notNull(),
    certificate_ref: text('certificate_ref'),
    tls_not_after: at('tls_not_after'),
    verdict: text('verdict').$type<Verdict>().notNull(),
    error: text('error'),
    depth: text('depth').$type<ProbeDepth>().notNull(),
    created_at: at('created_at').notNull(),
  },
  (t) => [
    index('probe_observations_domain').on(t.domain_id, t.id),
    // For the search by fingerprint or its beginning; rows are only ever added here, and few.
    index('probe_observations_certificate')
      .on(sql`${t.certificate_ref} collate "C"`, t.domain_id)
      .where(sql`${t.certificate_ref} is not null`),
  ],
);

/** What is firing now: one row per alert key `<domainId>:<class>`, or `<subject>:<class>` where it speaks of no domain. */
export const alerts = pgTable(
  'certificate_alerts',
  {
    key: text('key').primaryKey(),
    /** Null: it speaks of the product's own work. */
    domain_id: uuid('domain_id'),
    class: text('class').$type<NoticeClass>().notNull(),
    severity: text('severity').$type<Severity>().notNull(),
    route: text('route').$type<IncidentRoute>().notNull(),
    /** The certificate it speaks of; another one begins a new cycle. */
    cycle: text('cycle').notNull(),
    fired_at: at('fired_at').notNull(),
    alerted_at: at('alerted_at').notNull(),
    alert_count: integer('alert_count').notNull(),
    runbook_at: at('runbook_at').notNull(),
    runbook_count: integer('runbook_count').notNull(),
    /** Channels that were told, and are told again when it is over. */
    channels: text('channels').array().notNull(),
    summary: text('summary').notNull(),
    body: jsonb('body').notNull(),
  },
  (t) => [
    index('certificate_alerts_domain').on(t.domain_id),
    index('certificate_alerts_class').on(t.class, t.fired_at),
  ],
);

export const notificationStatuses = ['pending', 'failed', 'sent', 'dead'] as const;
export type NotificationStatus = (typeof notificationStatuses)[number];

/** The outbox: one row per notice and channel. `failed` is tried again, `dead` is not. */
export const notifications = pgTable(
  'certificate_notifications',
  {
    seq: bigserial('seq', { mode: 'number' }).primaryKey(),
    id: uuid('id').notNull(),
    kind: text('kind').$type<'alert' | 'runbook'>().notNull(),
    action: text('action').$type<'fire' | 'resolve'>().notNull(),
    alert_key: text('alert_key').notNull(),
    /** That of its alert. */
    cycle: text('cycle').notNull(),
    class: text('class').$type<NoticeClass>().notNull(),
    severity: text('severity').$type<Severity>().notNull(),
    route: text('route').$type<IncidentRoute>().notNull(),
    channel: text('channel').notNull(),
    /** Both null: it speaks of the product's own work. */
    domain_id: uuid('domain_id'),
    domain: text('domain'),
    org_id: text('org_id'),
    summary: text('summary').notNull(),
    body: jsonb('body').notNull(),
    status: text('status').$type<NotificationStatus>().notNull().default('pending'),
    tries: integer('tries').notNull().default(0),
    requeues: integer('requeues').notNull().default(0),
    /** When it is tried next; while a try runs, when that try counts as lost. Null when it is sent or dead. */
    next_attempt_at: at('next_attempt_at'),
    last_error: text('last_error'),
    fired_at: at('fired_at').notNull(),
    created_at: at('created_at').notNull(),
    updated_at: at('updated_at').notNull(),
    sent_at: at('sent_at'),
  },
  (t) => [
    uniqueIndex('certificate_notifications_id').on(t.id),
    index('certificate_notifications_due')
      .on(t.channel, t.next_attempt_at)
      .where(sql`${t.next_attempt_at} is not null`),
    index('certificate_notifications_waiting')
      .on(t.channel, t.alert_key, t.seq)
      .where(sql`${t.status} in ('pending', 'failed')`),
    index('certificate_notifications_status').on(t.status, t.seq),
    index('certificate_notifications_domain').on(t.domain_id, t.seq),
    index('certificate_notifications_name').on(t.domain, t.seq),
    index('certificate_notifications_org').on(t.org_id, t.seq),
    index('certificate_notifications_channel').on(t.channel, t.status, t.seq),
    index('certificate_notifications_created').on(t.created_at),
  ],
);

/** Every try to deliver a notification. */
export const notificationAttempts = pgTable(
  'notification_attempts',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    notification_id: uuid('notification_id').notNull(),
    attempt: integer('attempt').notNull(),
    delivered: boolean('delivered').notNull(),
    /** HTTP or SMTP status; null when there was no answer. */
    status: integer('status'),
    error: text('error'),
    snippet: text('snippet'),
    duration_ms: integer('duration_ms').notNull(),
    created_at: at('created_at').notNull(),
  },
  (t) => [index('notification_attempts_notification').on(t.notification_id, t.id)],
);
