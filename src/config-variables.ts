import * as v from 'valibot';
import { retentionVariables } from './config-retention.ts';
import {
  adminTokens,
  certificates,
  cidrs,
  databaseUrl,
  flag,
  groupRoles,
  integer,
  nonEmpty,
  notifyChannels,
  ports,
  secret,
  servers,
  signingSecrets,
  sourceKeys,
  url,
} from './config-rules.ts';

/** Every variable, once: its rule, its default as text, and the sentence that stands in `.env.example` and the README. */
export const variables = {
  DATABASE_URL: {
    rule: databaseUrl,
    about:
      'PostgreSQL 15 or newer. Unset: an embedded server in the data directory. TLS as sslmode says: require, verify-ca or verify-full.',
  },
  DATABASE_CA: {
    rule: certificates,
    about:
      'PEM of the CAs that the PostgreSQL server is checked by; usually as DATABASE_CA_FILE. Unset: those of the system.',
  },
  REDIS_URL: {
    rule: url('redis:', 'rediss:'),
    about: 'Redis 6.2 or newer with maxmemory-policy noeviction; rediss: for TLS. Unset: queues live in PostgreSQL.',
  },
  REDIS_CA: {
    rule: certificates,
    about: 'PEM of the CAs that a rediss: server is checked by; usually as REDIS_CA_FILE. Unset: those of the system.',
  },
  PORT: { rule: integer(0, 65_535), default: '8080', about: 'Port of the API and console.' },
  CERT_METRICS_PORT: { rule: integer(0, 65_535), default: '9465', about: 'Port of /metrics, /livez and /readyz.' },
  NOTAFTER_HOST: { rule: nonEmpty, default: '0.0.0.0', about: 'Address both ports listen on.' },
  NOTAFTER_DATA_DIR: {
    rule: nonEmpty,
    default: '.data',
    about: 'Directory of the embedded server, generated tokens and spools.',
  },
  NOTAFTER_QUEUE_PREFIX: {
    rule: v.pipe(v.string(), v.regex(/^[\w{}-]{1,64}$/, 'must be 1 to 64 letters, digits, _, -, { or }')),
    default: '{notafter}',
    about: 'Prefix of the keys in Redis; braces keep them in one hash slot.',
  },
  NOTAFTER_LOG_LEVEL: {
    rule: v.picklist(
      ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
      'must be fatal, error, warn, info, debug or silent',
    ),
    default: 'info',
    about: 'Least level that is logged.',
  },
  NOTAFTER_DNS_SERVERS: {
    rule: servers,
    about: 'Name servers for verification, probes and CAs, comma list of address[:port]. Unset: those of the system.',
  },
  CERT_EVENT_INGEST_TOKEN: {
    rule: secret,
    about: 'Token every event sender presents. Unset: ingest answers 503 (`npm start` generates one).',
  },
  CERT_EVENT_SOURCE_KEYS: {
    rule: sourceKeys,
    about: 'Signing keys: comma list of source:cluster=secret, or a JSON array with domain bindings.',
  },
  CERT_EVENT_REQUIRE_PROVENANCE: {
    rule: flag,
    default: 'false',
    about: 'Refuse unsigned events even when no key is configured.',
  },
  CERT_EVENT_MAX_AGE_SECONDS: {
    rule: integer(1, 86_400),
    default: '300',
    about: 'How far a signature timestamp may lie from now, both ways.',
  },
  CERT_SOURCE_RATE_PER_SECOND: {
    rule: integer(1, 1_000_000),
    about: 'Most events a second from one source. Unset: no limit.',
  },
  CERT_INGEST_FAILURES_PER_MINUTE: {
    rule: integer(1, 1_000_000),
    default: '1000',
    about: 'Failed authentications a minute before an address is answered 429.',
  },
  CERT_INGEST_QUEUE_LIMIT: {
    rule: integer(100, 1_000_000),
    default: '10000',
    about: 'Events that may wait for a commit before ingest answers 503.',
  },
  CERT_ADMIN_TOKENS: { rule: adminTokens, about: 'Comma list of name:role:token; roles viewer, operator, admin.' },
  CERT_EVENT_MAX_RETRIES: {
    rule: integer(1, 100),
    default: '6',
    about: 'Failed tries after which an event is a dead letter.',
  },
  CERT_EVENT_BASE_BACKOFF_SECONDS: {
    rule: integer(1, 3600),
    default: '45',
    about: 'Wait after the first failed try; doubles each time, at most an hour.',
  },
  CERT_EVENT_BATCH_SIZE: { rule: integer(1, 5000), default: '500', about: 'Most events in one commit and one job.' },
  CERT_EXPIRY_WARN_DAYS: {
    rule: integer(1, 3650),
    default: '30',
    about: 'Days before its end that a certificate counts as expiring; a third of its life when that is under 90 days.',
  },
  CERT_RENEWAL_SLA_WARNING_HOURS: {
    rule: integer(1, 8760),
    default: '72',
    about: 'Hours before a renewal is due that it counts as a warning.',
  },
  CERT_DEPLOYMENT_ENV: {
    rule: v.picklist(['dev', 'staging', 'prod'], 'must be dev, staging or prod'),
    default: 'dev',
    about: 'A renewal past its deadline wakes somebody in prod only; dev lets webhooks reach loopback.',
  },
  CERT_WORKER_INTERVAL_SECONDS: {
    rule: integer(1, 86_400),
    default: '300',
    about:
      'Longest time in seconds between sweeps. Those for probes, statuses, deadlines and alerts come every 15 seconds whatever longer time is set, so that looks at a deployment are punctual.',
  },
  CERT_PROBE_FALLBACK_ENABLED: {
    rule: flag,
    default: 'true',
    about: 'Look at the certificates that are really served. false: only when asked for.',
  },
  TLS_PROBE_TIMEOUT_SECONDS: {
    rule: integer(1, 60),
    default: '8',
    about: 'Longest connect and handshake of a probe.',
  },
  CERT_PROBE_ALLOWED_CIDRS: {
    rule: cidrs,
    about: 'Private ranges that may be probed, comma list of CIDRs. Unset: public addresses only.',
  },
  CERT_PROBE_REFUSED_CIDRS: {
    rule: cidrs,
    about: 'Public ranges that are never probed, comma list of CIDRs.',
  },
  CERT_PROBE_ALLOWED_PORTS: {
    rule: ports,
    default: '443,8443,25,465,587,143,993,110,995,5432,636,853,990,5061,6443',
    about: 'Ports of public addresses that may be probed; in CERT_PROBE_ALLOWED_CIDRS every port may.',
  },
  CERT_PROBE_TRUSTED_CA: {
    rule: certificates,
    about: 'PEM of CAs that probes trust beside the system’s; usually as CERT_PROBE_TRUSTED_CA_FILE.',
  },
  CERT_PROBE_FULL_ONLY: {
    rule: flag,
    default: 'false',
    about: 'Make every probe a full handshake, so that servers log no half-open ones; about five times the work.',
  },
  CERT_PROBE_DRIFT_GRACE_SECONDS: {
    rule: integer(0, 604_800),
    default: '900',
    about: 'Time a renewed certificate has to be served everywhere before it counts as not deployed.',
  },
  CERT_PROBE_QUIET_SECONDS: {
    rule: integer(0, 86_400),
    default: '600',
    about: 'How long the probe sweep leaves a domain alone after an event.',
  },
  CERT_ALERT_COOLDOWN_SECONDS: {
    rule: integer(1, 604_800),
    default: '1800',
    about: 'Time until an alert that still stands is sent again; doubles with each reminder, at most a day.',
  },
  CERT_ALERT_WEBHOOK_URL: {
    rule: url('http:', 'https:'),
    about: 'Where every alert is posted as JSON.',
  },
  CERT_ALERT_WEBHOOK_SECRET: {
    rule: signingSecrets,
    about: 'Signs what is posted to CERT_ALERT_WEBHOOK_URL (Standard Webhooks); a comma list rotates.',
  },
  CERT_RUNBOOK_WEBHOOK_URL: {
    rule: url('http:', 'https:'),
    about: 'Where signed runbook triggers are posted.',
  },
  CERT_RUNBOOK_SIGNING_SECRET: {
    rule: signingSecrets,
    about: 'Signs runbook triggers; needed with CERT_RUNBOOK_WEBHOOK_URL. A comma list rotates.',
  },
  CERT_RUNBOOK_COOLDOWN_SECONDS: {
    rule: integer(1, 604_800),
    default: '900',
    about: 'Time until a runbook is triggered again for what still stands; doubles each time, at most a day.',
  },
  CERT_NOTIFY_CHANNELS: {
    rule: notifyChannels,
    about: 'More channels and whom each is told of, as JSON {channels, routes}; see docs/notifications.md.',
  },
  CERT_WEBHOOK_ALLOWED_CIDRS: {
    rule: cidrs,
    about: 'Private ranges that webhooks may reach, comma list of CIDRs.',
  },
  CERT_DLQ_AUTO_REPLAY_ENABLED: {
    rule: flag,
    default: 'false',
    about: 'Replay dead letters by policy; see docs/replay-policy.md.',
  },
  CERT_DLQ_AUTO_REPLAY_DRY_RUN: {
    rule: flag,
    default: 'false',
    about: 'Let the policy only report what it would replay and whom it would tell.',
  },
  CERT_DLQ_REPLAY_MAX_EVENTS: {
    rule: integer(1, 1000),
    default: '50',
    about: 'Most events the policy replays in a run.',
  },
  CERT_DLQ_REPLAY_COOLDOWN_SECONDS: {
    rule: integer(1, 604_800),
    default: '900',
    about: 'Time since its last failure after which the policy replays an event.',
  },
  CERT_DLQ_REPLAY_MAX_REPLAYS: {
    rule: integer(1, 100),
    default: '3',
    about: 'Replays after which the policy gives an event up.',
  },
  CERT_DLQ_REPLAY_MAX_AGE_HOURS: {
    rule: integer(1, 87_600),
    default: '168',
    about: 'Age beyond which the policy leaves an event alone.',
  },
  ...retentionVariables,
  NOTAFTER_PUBLIC_URL: {
    rule: url('http:', 'https:'),
    about:
      'Where people reach the console, with the path prefix of a proxy if there is one. Needed for single sign-on.',
  },
  NOTAFTER_TRUSTED_PROXIES: {
    rule: cidrs,
    about: 'Proxies whose X-Forwarded-For is believed, comma list of CIDRs.',
  },
  NOTAFTER_SESSION_IDLE_MINUTES: {
    rule: integer(1, 10_080),
    default: '60',
    about: 'Minutes without a request after which a console session ends.',
  },
  NOTAFTER_SESSION_MAX_HOURS: {
    rule: integer(1, 720),
    default: '12',
    about: 'Hours after which a console session ends in any case.',
  },
  NOTAFTER_QUERY_SECONDS: {
    rule: integer(1, 3600),
    default: '20',
    about: 'Seconds after which a statement of the console or the API is cut off and answered 503; not for events.',
  },
  NOTAFTER_OIDC_ISSUER: {
    rule: url('http:', 'https:'),
    about: 'OpenID Connect provider of the console’s single sign-on.',
  },
  NOTAFTER_OIDC_CLIENT_ID: { rule: nonEmpty, about: 'Client id at the provider.' },
  NOTAFTER_OIDC_CLIENT_SECRET: { rule: secret, about: 'Client secret at the provider.' },
  NOTAFTER_OIDC_GROUPS_CLAIM: { rule: nonEmpty, default: 'groups', about: 'Claim that lists a person’s groups.' },
  NOTAFTER_OIDC_ROLES: {
    rule: groupRoles,
    about: 'Role of each group, comma list of group=role or group=role@organisation; without a match nobody gets in.',
  },
  CERT_AUDIT_SIGNING_SECRET: {
    rule: signingSecrets,
    about:
      'Signs the checkpoints of the audit log; the same in all processes (`npm start` generates one). A comma list rotates.',
  },
  DOMAIN_VERIFY_STRICT: {
    rule: flag,
    default: 'true',
    about: 'Verify a domain only by its TXT record. false: the verify call alone is enough (development).',
  },
} as const satisfies Record<string, Variable>;

export interface Variable {
  readonly rule: v.GenericSchema<string, unknown>;
  readonly default?: string;
  readonly about: string;
}
