import type { Sql, TransactionSql } from 'postgres';

export const domains = 1_000_000;
export const ledgerRows = 5_000_000;
const orgs = 1000;

/** Runs `load` without triggers and without indexes but the primary key, and makes the indexes anew afterwards. */
export const bulk = async (sql: TransactionSql, table: string, load: () => Promise<unknown>): Promise<void> => {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes where tablename = ${table} and indexname not like '%\\_pkey'`;
  await sql.unsafe(`alter table ${table} disable trigger user`);
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`);
  await load();
  for (const { definition } of indexes) await sql.unsafe(definition);
  await sql.unsafe(`alter table ${table} enable trigger user`);
};

const loadTunnels = (sql: TransactionSql) => sql`
  insert into tunnels (id, org_id, region)
  select uuidv7(), 'org-' || o, r from generate_series(0, ${orgs - 1}) o, unnest(array['eu', 'us', 'ap', 'sa']) r`;

/** 93 % issued, 4 % expiring, the rest spread over the other statuses; a fifth in no region; every tenth of a percent in drift. */
const loadDomains = (sql: TransactionSql) => sql`
  insert into custom_domains (id, org_id, domain, verified, verification_token, tls_mode, target_tunnel_id, region, last_verified_at,
    tls_status, certificate_ref, tls_not_before, tls_not_after, tls_last_error, cert_failure_count, cert_last_event_type,
    cert_last_event_at, cert_renewal_due_at, drift_state, drift_since)
  select uuidv7(), g.org, g.domain, true, md5(i::text), case when i % 200 = 3 then 'passthrough' else 'termination' end, t.id, g.region, now(),
    case when i % 200 = 3 then 'passthrough_unverified' when i % 200 = 7 then 'pending_route' when i % 100 = 11 then 'pending_issue'
         when i % 100 = 13 then 'tls_error' when i % 25 = 1 then 'expiring' else 'issued' end,
    'sha256:' || encode(sha256(i::text::bytea), 'hex'), now() - interval '30 days', now() + (i % 6000) * interval '15 minutes',
    case when i % 100 = 13 then 'certificate renewal failure' end, case when i % 100 = 13 then 2 else 0 end, 'renewal_succeeded',
    now() - (i % 8640) * interval '5 minutes', now() + (i % 4000) * interval '15 minutes',
    case when i % 1000 = 5 then 'stale_served' else 'in_step' end, case when i % 1000 = 5 then now() end
  from generate_series(1, ${domains}) i
  cross join lateral (select 'org-' || i % ${orgs} as org, 'site-' || lpad(i::text, 7, '0') || '.tenant-' || i % 5000 || '.example.net' as domain,
    (array['eu', 'us', 'ap', 'sa', null])[1 + i % 5] as region) g
  left join tunnels t on t.org_id = g.org and t.region = g.region`;

/** Ninety days of events, five for each domain: 0.1 % dead letters, 0.05 % of them without a domain, a thousand pending. */
const loadEvents = (sql: TransactionSql) => sql`
  insert into certificate_lifecycle_events (id, source, source_event_id, cluster_id, org_id, domain_id, domain, event_type, status, outcome,
    occurred_at, certificate_ref, not_before, not_after, renewal_due_at, reason, payload_json, retry_count, last_error, error_class,
    provenance_subject, provenance_verified, group_id, content_hash, created_at, updated_at, processed_at)
  select uuidv7(-e.age), 'source-' || i % 40, 'scale-' || i, 'cluster-' || i % 200, case when e.unresolved then null else d.org_id end,
    case when e.unresolved then null else d.id end, d.domain,
    (array['renewal_succeeded', 'renewal_succeeded', 'renewal_succeeded', 'issuance_succeeded', 'renewal_succeeded', 'renewal_failed',
           'certificate_expiring', 'renewal_succeeded', 'issuance_failed', 'renewal_succeeded'])[1 + (i / 7) % 10],
    e.status, case when e.status = 'applied' then 'applied' end, now() - e.age, 'sha256:' || encode(sha256(i::text::bytea), 'hex'),
    now() - e.age, now() - e.age + interval '90 days', now() - e.age + interval '60 days', null,
    jsonb_build_object('issuer', 'letsencrypt-prod', 'namespace', 'shops', 'revision', i % 40), case when e.status = 'failed' then 6 else 0 end,
    case when e.status = 'failed' then 'The domain is not registered' end,
    case when e.unresolved then 'unresolved' when e.status = 'failed' then 'internal' end,
    'source:cluster', true, uuidv7(-e.age), sha256(i::text::bytea), now() - e.age, now() - e.age,
    case when e.status <> 'pending' then now() - e.age end
  from generate_series(1, ${ledgerRows}) i
  cross join lateral (select (${ledgerRows} - i) * interval '1.5552 seconds' as age, i % 2000 = 3 as unresolved,
    case when i % 2000 = 3 or i % 2000 = 1003 then 'failed' when i % 5000 = 7 then 'pending' else 'applied' end as status) e
  join scale_names d on d.n = 1 + i % ${domains}`;

const loadIncidents = (sql: TransactionSql) => sql`
  insert into certificate_incidents (id, domain_id, org_id, domain, incident_type, tier, status, source, cluster_id, reason, context,
    resolved_at, resolved_by, created_at, updated_at)
  select uuidv7(), id, org_id, domain, (array['renewal_failed', 'issuance_failed', 'certificate_expiring', 'tls_error'])[1 + (n / 20) % 4],
    1 + (n / 20) % 3, case when n % 500 = 0 then 'open' when n % 500 = 20 then 'acknowledged' else 'resolved' end, 'source-' || n % 40,
    'cluster-' || n % 200, 'certificate renewal failure', '{}', now(), 'event', now(), now()
  from scale_names where n % 20 = 0`;

/** A year of notices, a thousand of them dead. */
const loadNotices = (sql: TransactionSql) => sql`
  insert into certificate_notifications (id, kind, action, alert_key, cycle, class, severity, route, channel, domain_id, domain, org_id, summary,
    body, status, tries, fired_at, created_at, updated_at, sent_at)
  select uuidv7(-e.age), 'alert', 'fire', s.id || ':tls_error', '', 'tls_error', 'critical', 'ticket', 'channel-' || n % 8, s.id, s.domain,
    s.org_id, s.domain || ': TLS error', '{}', case when n % 1000 = 0 then 'dead' else 'sent' end, case when n % 1000 = 0 then 5 else 1 end,
    now() - e.age, now() - e.age, now() - e.age, case when n % 1000 <> 0 then now() - e.age + interval '300 milliseconds' end
  from scale_names s cross join lateral (select (${domains} - n) * interval '31 seconds' as age) e`;

const countAll = async (sql: TransactionSql): Promise<void> => {
  await sql`truncate domain_counts, event_counts, event_hours, unfinished_events, dead_letters, domain_clocks`;
  await sql`
    insert into domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
    select org_id, region, tls_status, drift_state, count(*), max(cert_last_event_at) from custom_domains group by 1, 2, 3, 4`;
  await sql`
    insert into event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
    select org_id, source, cluster_id, event_type, status, error_class, domain_id is not null, count(*)
    from certificate_lifecycle_events group by 1, 2, 3, 4, 5, 6, 7`;
  await sql`insert into event_hours (hour, n) select hour_of(id), count(*) from certificate_lifecycle_events group by 1`;
  await sql`
    insert into unfinished_events (status, event_id)
    select status, id from certificate_lifecycle_events where status <> 'applied'`;
  await sql`
    insert into dead_letters (event_id, error_class, fingerprint, pattern, domain, source, cluster_id, org_id, event_type, replays, created_at, failed_at)
    select id, error_class, dead_letter_fingerprint(error_class, last_error), last_error, domain, source, cluster_id, org_id, event_type, 0,
      created_at, processed_at
    from certificate_lifecycle_events where status = 'failed'`;
  await sql`
    insert into domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at, ends_at)
    select id, cert_renewal_due_at, look_due_at, probe_due_at, tls_not_after from custom_domains`;
  await sql`
    insert into cert_sources (source, cluster_id, last_event_id, last_event_type, events_total, last_seen_at)
    select source, coalesce(cluster_id, ''), (array_agg(id order by id desc))[1], 'renewal_succeeded', count(*), max(created_at)
    from certificate_lifecycle_events group by 1, 2`;
};

/** Fills a fresh database as years of use would: see the figures above. Takes some minutes. */
export const loadScale = async (sql: Sql): Promise<void> => {
  await sql.begin(async (tx) => {
    await tx`set local maintenance_work_mem = '512MB'`;
    await tx`set local work_mem = '256MB'`;
    await loadTunnels(tx);
    await bulk(tx, 'custom_domains', () => loadDomains(tx));
    await tx`
      create temp table scale_names on commit drop as
      select row_number() over (order by id) as n, id, org_id, domain from custom_domains where domain like 'site-%'`;
    await bulk(tx, 'certificate_lifecycle_events', () => loadEvents(tx));
    await loadIncidents(tx);
    await loadNotices(tx);
    await countAll(tx);
  });
  await sql`vacuum analyze`;
  await sql`checkpoint`;
};
