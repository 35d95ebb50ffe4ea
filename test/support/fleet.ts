import { createHash } from 'node:crypto';
import type { Db } from '../../src/db/client.ts';
import { countExpiry } from '../../src/db/expiry.ts';
import { pipeActivity } from '../../src/db/schema-activity.ts';
import { replays } from '../../src/db/schema-replays.ts';
import {
  alerts,
  domainAddresses,
  notificationAttempts,
  notifications,
  probeObservations,
} from '../../src/db/schema-served.ts';
import { certSources, customDomains, eventAttempts, eventReplays, events, incidents } from '../../src/db/schema.ts';
import { errorFingerprint, errorPattern } from '../../src/lifecycle/error-pattern.ts';
import type { ErrorClass } from '../../src/lifecycle/types.ts';
import { domainOf, eventOf, idAt, incidentOf } from './api.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** What a stranger may put into a name or an error; on a page it stays text. */
export const markup = '<img src=x onerror="document.title=1"><b>kiosk</b>';

/** A leaf's reference made of a word. */
export const refOf = (word: string): string =>
  `sha256:${createHash('sha256').update(word).digest('hex').toUpperCase()}`;

/** Numbers from 0 to 1 in an order that is the same every time. */
const numbers = (seed: number) => {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
};

const orgs = ['harbor', 'fern', 'brook', 'tallow', 'wren'];
const regions = ['eu-west', 'us-east', 'ap-south'];
type DomainInsert = ReturnType<typeof domainOf>;

const healthy = (count: number, now: number): DomainInsert[] => {
  const next = numbers(7);
  return Array.from({ length: count }, (_, n) => {
    const org = orgs[n % orgs.length] ?? 'harbor';
    const ends = now + (1 + Math.floor(next() * 88)) * day + Math.floor(next() * day);
    return domainOf({
      domain: `${['www', 'api', 'img', 'shop', 'mail'][n % 5]}-${n}.${org}.example`,
      org_id: org,
      region: regions[n % 3] ?? 'eu-west',
      tls_status: ends - now < 30 * day ? 'expiring' : 'issued',
      certificate_ref: refOf(`leaf ${n}`),
      tls_not_before: new Date(ends - 90 * day),
      tls_not_after: new Date(ends),
      renewal_due_at: new Date(ends - 30 * day + (n % 4 === 0 ? 0 : 40 * day)),
      renewal_due_source: 'lifetime',
      drift_state: 'in_step',
      cert_last_event_type: 'renewal_succeeded',
      cert_last_event_at: new Date(ends - 90 * day),
    });
  });
};

/** The domains that the pages are about. */
const special = (now: number) => {
  const drift = domainOf({
    domain: 'checkout.harbor.example',
    org_id: 'harbor',
    region: 'eu-west',
    tls_status: 'issued',
    certificate_ref: refOf('new'),
    tls_not_before: new Date(now - 4 * hour),
    tls_not_after: new Date(now + 89 * day),
    renewal_due_at: new Date(now + 59 * day),
    renewal_due_source: 'ari',
    observed_certificate_ref: refOf('old'),
    observed_not_before: new Date(now - 85 * day),
    observed_not_after: new Date(now + 5 * day + 19 * hour),
    drift_state: 'addresses_differ',
    drift_since: new Date(now - 4 * hour - 10 * minute),
    tls_last_checked_at: new Date(now - 11 * minute),
    cert_last_event_type: 'renewal_succeeded',
    cert_last_event_at: new Date(now - 4 * hour - 11 * minute),
    cert_last_success_at: new Date(now - 4 * hour - 11 * minute),
    cert_last_failure_at: new Date(now - 7 * hour),
    probe_due_at: new Date(now + 4 * minute),
    last_verified_at: new Date(now - 264 * day),
  });
  const breach = domainOf({
    domain: 'pay.harbor.example',
    org_id: 'harbor',
    region: 'eu-west',
    tls_status: 'tls_error',
    certificate_ref: refOf('pay'),
    tls_not_before: new Date(now - 89 * day),
    tls_not_after: new Date(now + 9 * hour),
    renewal_due_at: new Date(now - 6 * day),
    renewal_due_source: 'event',
    tls_last_error: 'CAA record for harbor.example prevents issuance',
    cert_last_error: 'CAA record for harbor.example prevents issuance',
    cert_failure_count: 4,
    cert_retry_backoff_seconds: 480,
    cert_next_retry_at: new Date(now + 6 * minute),
    cert_last_event_type: 'renewal_failed',
    cert_last_event_at: new Date(now - 58 * minute),
    cert_last_failure_at: new Date(now - 58 * minute),
    drift_state: 'in_step',
    alerting: true,
  });
  const stale = domainOf({
    domain: 'vpn.brook.example',
    org_id: 'brook',
    region: 'us-east',
    tls_status: 'issued',
    certificate_ref: refOf('vpn new'),
    tls_not_before: new Date(now - day),
    tls_not_after: new Date(now + 88 * day),
    observed_certificate_ref: refOf('vpn old'),
    observed_not_before: new Date(now - 80 * day),
    observed_not_after: new Date(now + 10 * day),
    drift_state: 'stale_served',
    drift_since: new Date(now - 23 * hour),
  });
  const rejected = domainOf({
    domain: 'a-name-long-enough-to-need-wrapping.regional-storefront.fern.example',
    org_id: 'fern',
    region: 'us-east',
    tls_status: 'tls_error',
    tls_fault: 'wrong_host',
    tls_fault_error: `the certificate is for ${markup}`,
    tls_last_error: `the certificate is for ${markup}`,
    tls_not_after: new Date(now + 40 * day),
    certificate_ref: refOf('rejected'),
  });
  const others = [
    domainOf({ domain: 'beta.fern.example', org_id: 'fern', tls_status: 'pending_issue', region: 'eu-west' }),
    domainOf({ domain: 'lab.tallow.example', org_id: 'tallow', tls_status: 'pending_route', region: null }),
    domainOf({
      domain: '*.tracks.wren.example',
      org_id: 'wren',
      tls_mode: 'passthrough',
      tls_status: 'passthrough_unverified',
      region: 'ap-south',
    }),
  ];
  return { drift, breach, stale, rejected, others };
};

const addressesOfDrift = (drift: DomainInsert, now: number): (typeof domainAddresses.$inferInsert)[] =>
  [
    { address: '192.0.2.15:443', old: false },
    { address: '198.51.100.15:443', old: false },
    { address: '[2001:db8:20::15]:443', old: true },
  ].map(({ address, old }) => ({
    domain_id: drift.id,
    address,
    certificate_ref: old ? refOf('old') : refOf('new'),
    tls_not_before: new Date(old ? now - 85 * day : now - 4 * hour),
    tls_not_after: new Date(old ? now + 5 * day + 19 * hour : now + 89 * day),
    verdict: 'ok',
    depth: old ? 'fetch' : 'full',
    checked_at: new Date(now - 11 * minute),
    details: {
      serial: '03:9d:5b:71:c2:4e',
      subject: 'CN=checkout.harbor.example',
      issuer: old ? `CN=${markup}` : 'CN=Northlight R4',
      names: ['checkout.harbor.example'],
      tlsVersion: 'TLSv1.3',
    },
  }));

const failedEvent = (at: number, error: string, errorClass: ErrorClass, values: Parameters<typeof eventOf>[1] = {}) => {
  const pattern = errorPattern(error);
  return eventOf(at, {
    status: 'failed',
    retry_count: errorClass === 'invalid' ? 1 : 6,
    last_error: error,
    error_class: errorClass,
    error_pattern: pattern,
    error_fingerprint: errorFingerprint(errorClass, pattern),
    processed_at: new Date(at + 20 * minute),
    updated_at: new Date(at + 20 * minute),
    ...values,
  });
};

const deadEvents = (now: number) => [
  ...Array.from({ length: 40 }, (_, n) =>
    failedEvent(
      now - 85 * minute + n * 40_000,
      `tunnel directory answered 503 for region-${n % 3}.example`,
      'internal',
      {
        domain: `shop-${n}.brook.example`,
        org_id: 'brook',
        source: 'lego',
        cluster_id: n % 2 === 0 ? 'eu-edge-1' : 'eu-edge-2',
      },
    ),
  ),
  ...Array.from({ length: 7 }, (_, n) =>
    failedEvent(now - 5 * day + n * 12 * hour, `domain pos-${n}.fern.example is not registered`, 'unresolved', {
      domain: `pos-${n}.fern.example`,
      domain_id: null,
      source: 'cert-manager',
      cluster_id: 'prod-eu',
    }),
  ),
  failedEvent(now - 10 * hour, `domain is not a host name: ${markup}`, 'invalid', {
    domain: 'kiosk.fern.example',
    reason: markup,
    source: 'certbot',
    cluster_id: 'lab-3',
  }),
];

const history = (drift: DomainInsert, now: number) => {
  const of = {
    domain: drift.domain,
    domain_id: drift.id ?? null,
    org_id: 'harbor',
    source: 'lego',
    cluster_id: 'eu-edge-1',
  };
  return [
    eventOf(now - 4 * hour - 11 * minute, {
      ...of,
      event_type: 'renewal_succeeded',
      callback_attempt: 3,
      certificate_ref: refOf('new'),
      not_after: new Date(now + 89 * day),
    }),
    eventOf(now - 7 * hour, {
      ...of,
      event_type: 'renewal_failed',
      callback_attempt: 2,
      reason: `DNS problem: SERVFAIL looking up TXT for _acme-challenge.${drift.domain} ${markup}`,
    }),
    eventOf(now - 7 * hour - 2 * minute, {
      ...of,
      event_type: 'renewal_failed',
      callback_attempt: 1,
      reason: 'DNS problem: SERVFAIL',
    }),
  ];
};

const ordinaryEvents = (domains: readonly DomainInsert[], now: number) =>
  domains.slice(0, 60).map(({ id, domain, org_id }, n) =>
    eventOf(now - (n + 1) * 13_000, {
      domain,
      domain_id: id ?? null,
      org_id: org_id ?? null,
      source: ['certbot', 'lego', 'acme-sh'][n % 3] ?? 'certbot',
      cluster_id: 'eu-edge-1',
      ...(n % 11 === 5 && {
        status: 'pending' as const,
        outcome: null,
        processed_at: null,
        retry_count: 2,
        error_class: 'internal' as const,
        last_error: 'route lookup timed out after 2000 ms',
        next_retry_at: new Date(now + 40_000),
      }),
      ...(n % 13 === 7 && { outcome: 'superseded' as const }),
    }),
  );

type NoticeInsert = typeof notifications.$inferInsert;

const noticeOf = (at: number, { id, domain, org_id }: DomainInsert, values: Partial<NoticeInsert>): NoticeInsert => ({
  id: idAt(at),
  kind: 'alert',
  action: 'fire',
  alert_key: `${id}:renewal_sla_breach`,
  cycle: 'one',
  class: 'renewal_sla_breach',
  severity: 'critical',
  route: 'page',
  channel: 'pager-prod',
  domain_id: id ?? null,
  domain,
  org_id: org_id ?? null,
  summary: 'Renewal SLA breach, expires in 9 h',
  body: {},
  status: 'sent',
  tries: 1,
  fired_at: new Date(at),
  created_at: new Date(at),
  updated_at: new Date(at),
  sent_at: new Date(at + 300),
  ...values,
});

const notices = (
  domains: Pick<ReturnType<typeof special>, 'breach' | 'drift' | 'stale'>,
  now: number,
): NoticeInsert[] => {
  const dead = { status: 'dead', sent_at: null, last_error: '400 invalid routing key', tries: 1 } as const;
  return [
    noticeOf(now - 58 * minute, domains.breach, dead),
    noticeOf(now - 58 * minute + 1, domains.breach, { channel: 'mail-oncall' }),
    noticeOf(now - 57 * minute, domains.drift, {
      ...dead,
      class: 'drift',
      summary: 'Drift: old certificate on 1 of 3 addresses',
      route: 'ticket',
    }),
    noticeOf(now - 50 * minute, domains.stale, {
      ...dead,
      class: 'drift',
      summary: `Drift ${markup}`,
      channel: 'webhook-fern',
      tries: 5,
      last_error: `500 ${markup}`,
    }),
    noticeOf(now - 3 * minute, domains.stale, {
      class: 'drift',
      channel: 'chat-brook',
      status: 'failed',
      tries: 2,
      sent_at: null,
      last_error: '429 asked to wait 60 s',
      next_attempt_at: new Date(now + 48_000),
      summary: 'Drift: old certificate on 1 of 2 addresses',
    }),
    noticeOf(now - 2000, domains.drift, {
      class: 'drift',
      channel: 'webhook-ops',
      status: 'pending',
      tries: 0,
      sent_at: null,
      next_attempt_at: new Date(now),
      summary: 'Drift: old certificate on 1 of 3 addresses',
    }),
  ];
};

const raised = ({ drift, breach, rejected, stale }: ReturnType<typeof special>, now: number) => {
  const of = ({ id, domain, org_id }: DomainInsert) => ({ domain_id: id ?? '', domain, org_id: org_id ?? null });
  return [
    incidentOf(now - 4 * hour - 5 * minute, {
      ...of(drift),
      incident_type: 'certificate_drift',
      tier: 2,
      reason: '1 of 3 addresses still serves the old certificate',
    }),
    incidentOf(now - 7 * hour, {
      ...of(drift),
      incident_type: 'renewal_failed',
      tier: 2,
      status: 'resolved',
      reason: 'DNS problem: SERVFAIL',
      source: 'lego',
      cluster_id: 'eu-edge-1',
      resolved_at: new Date(now - 4 * hour),
      resolved_by: 'event',
    }),
    incidentOf(now - 58 * minute, {
      ...of(breach),
      incident_type: 'renewal_failed',
      tier: 3,
      reason: 'CAA record prevents issuance',
      source: 'lego',
      cluster_id: 'eu-edge-1',
    }),
    incidentOf(now - 3 * hour, {
      ...of(rejected),
      incident_type: 'tls_error',
      tier: 2,
      reason: `wrong host: ${markup}`,
    }),
    incidentOf(now - 23 * hour, {
      ...of(stale),
      incident_type: 'certificate_drift',
      tier: 2,
      status: 'acknowledged',
      acknowledged_at: new Date(now - 20 * hour),
      acknowledged_by: 'omar',
      acknowledge_note: 'waiting for the edge team',
    }),
  ];
};

const firing = ({ drift, breach, rejected, stale }: ReturnType<typeof special>, now: number) =>
  [
    { domain: drift, class: 'drift', at: now - 4 * hour },
    { domain: stale, class: 'drift', at: now - 23 * hour },
    { domain: breach, class: 'renewal_sla_breach', at: now - 58 * minute },
    { domain: breach, class: 'tls_error', at: now - 58 * minute },
    { domain: rejected, class: 'tls_error', at: now - 3 * hour },
  ].map(({ domain, class: noticeClass, at }) => ({
    key: `${domain.id}:${noticeClass}`,
    domain_id: domain.id ?? '',
    class: noticeClass as 'drift',
    severity: 'critical' as const,
    route: 'ticket' as const,
    cycle: 'one',
    fired_at: new Date(at),
    alerted_at: new Date(at),
    alert_count: 1,
    runbook_at: new Date(at),
    runbook_count: 0,
    channels: ['mail-oncall'],
    summary: noticeClass,
    body: {},
  }));

const senders = (now: number): (typeof certSources.$inferInsert)[] => [
  {
    source: 'lego',
    cluster_id: 'eu-edge-1',
    events_total: 48_211,
    signature_failures: 0,
    last_seen_at: new Date(now - 13_000),
    last_event_type: 'renewal_succeeded',
  },
  {
    source: 'certbot',
    cluster_id: 'eu-edge-2',
    events_total: 9120,
    signature_failures: 3,
    last_seen_at: new Date(now - 6 * hour),
    last_event_type: 'renewal_succeeded',
  },
  {
    source: 'cert-manager',
    cluster_id: 'prod-eu',
    events_total: 1204,
    signature_failures: 12,
    last_seen_at: new Date(now - 4 * minute),
    last_event_type: 'issuance_succeeded',
  },
];

const activity = (now: number): (typeof pipeActivity.$inferInsert)[] => {
  const next = numbers(11);
  const last = Math.floor(now / minute);
  return Array.from({ length: 144 }, (_, step) => step * 10).flatMap((back) => {
    const n = Math.round(1200 + 500 * Math.sin(back / 230) + next() * 120);
    const [at, slow] = [last - 1 - back, back > 40 && back < 80 ? 0.4 : 1];
    return [
      { minute: at, kind: 'accepted', bucket: 0, n },
      { minute: at, kind: 'applied', bucket: 4, n: Math.round(n * slow * 0.98) },
      { minute: at, kind: 'applied', bucket: slow < 1 ? 8 : 6, n: Math.round(n * slow * 0.02) },
      { minute: at, kind: 'ingest', bucket: 3, n },
    ];
  });
};

const runs = (now: number): (typeof replays.$inferInsert)[] => {
  const made = {
    force: false,
    reset_retry: true,
    rate_per_second: 2,
    created_at: new Date(now - 3 * minute),
    expires_at: new Date(now + 12 * minute),
    planned_by: 'omar',
  };
  return [
    {
      ...made,
      state: 'running',
      filter: { status: 'failed', errorClass: 'internal' },
      reason: 'lookup timeout raised to 2 s',
      executed_by: 'omar',
      executed_at: new Date(now - minute),
      stepped_at: new Date(now),
      total: 186,
      looked: 124,
      opened: 124,
      applied: 121,
      failed_again: 3,
    },
    {
      ...made,
      state: 'done',
      filter: { status: 'failed', source: 'lego' },
      reason: `route table rebuilt ${markup}`,
      executed_by: 'dana',
      executed_at: new Date(now - 5 * hour),
      finished_at: new Date(now - 5 * hour + minute),
      total: 213,
      looked: 213,
      opened: 211,
      skipped: 2,
      applied: 211,
    },
  ];
};

/** Names of the fleet that pages are looked at by. */
export const fleetNames = {
  drift: 'checkout.harbor.example',
  breach: 'pay.harbor.example',
  stale: 'vpn.brook.example',
  rejected: 'a-name-long-enough-to-need-wrapping.regional-storefront.fern.example',
} as const;

/**
 * Fills a database with domains in every state, drift, incidents, dead letters, notifications, senders, replays and a day of
 * activity, as they are at `now` (epoch ms).
 */
export const makeFleet = async ({ orm, sql }: Db, now: number): Promise<void> => {
  const found = special(now);
  const domains = healthy(140, now);
  const { drift, breach, stale, rejected, others } = found;
  const past = history(drift, now);
  drift.cert_last_event_id = past[0]?.id ?? null;
  await orm.insert(customDomains).values([...domains, drift, breach, stale, rejected, ...others]);
  await orm.insert(domainAddresses).values(addressesOfDrift(drift, now));
  const seen = { domain_id: drift.id ?? '', verdict: 'ok', depth: 'full' } as const;
  await orm.insert(probeObservations).values([
    {
      ...seen,
      address: '192.0.2.15:443',
      certificate_ref: refOf('old'),
      tls_not_after: new Date(now + 5 * day),
      created_at: new Date(now - 11 * hour),
    },
    {
      ...seen,
      address: '192.0.2.15:443',
      certificate_ref: refOf('new'),
      tls_not_after: new Date(now + 89 * day),
      created_at: new Date(now - 4 * hour - 9 * minute),
    },
    {
      ...seen,
      address: '[2001:db8:20::15]:443',
      certificate_ref: refOf('old'),
      tls_not_after: new Date(now + 5 * day),
      created_at: new Date(now - 4 * hour - 8 * minute),
    },
    {
      ...seen,
      address: '198.51.100.15:443',
      verdict: 'connect_timeout',
      error: `no answer ${markup}`,
      created_at: new Date(now - 2 * hour),
    },
  ]);
  const dead = deadEvents(now);
  await orm.insert(events).values([...ordinaryEvents(domains, now), ...past, ...dead]);
  const given = dead.slice(0, 3).map(({ id }) => id);
  await orm.insert(eventAttempts).values(
    given.flatMap((id) =>
      Array.from({ length: 6 }, (_, n) => ({
        event_id: id,
        generation: 0,
        attempt: n + 1,
        error_class: 'internal' as const,
        error: 'tunnel directory answered 503',
        next_retry_at: n === 5 ? null : new Date(now - 80 * minute + n * minute),
        created_at: new Date(now - 84 * minute + n * minute),
      })),
    ),
  );
  await orm.insert(eventReplays).values({
    event_id: past[1]?.id ?? '',
    generation: 1,
    actor: 'dana',
    reason: 'route table rebuilt',
    created_at: new Date(now - 6 * hour),
  });
  await orm.insert(incidents).values(raised(found, now));
  await orm.insert(alerts).values(firing(found, now));
  const sent = notices(found, now);
  await orm.insert(notifications).values(sent);
  await orm.insert(notificationAttempts).values(
    sent
      .filter(({ status }) => status === 'dead')
      .map(({ id, last_error }) => ({
        notification_id: id,
        attempt: 1,
        delivered: false,
        status: 400,
        error: last_error ?? null,
        duration_ms: 120,
        created_at: new Date(now - 50 * minute),
      })),
  );
  await orm.insert(certSources).values(senders(now)).onConflictDoNothing();
  await orm.insert(pipeActivity).values(activity(now));
  await orm.insert(replays).values(runs(now));
  await countExpiry({ sql }, () => now);
};
