import postgres from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { countExpiry } from '../../src/db/expiry.ts';
import { bulk } from '../bench/scale-data.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';

const million = 1_000_000;
const budgetMs = 200;

let console: TestConsole;

const fill = async (sql: postgres.TransactionSql): Promise<void> => {
  await bulk(
    sql,
    'custom_domains',
    () => sql`
    insert into custom_domains (id, org_id, domain, verified, verification_token, tls_mode, region, tls_status, certificate_ref,
      tls_not_before, tls_not_after, renewal_due_at, cert_last_event_type, cert_last_event_at, drift_state)
    select uuidv7(), 'org-' || i % 1000, 'site-' || lpad(i::text, 7, '0') || '.tenant-' || i % 5000 || '.example.net', true, 't', 'termination',
      (array['eu', 'us', 'ap', null])[1 + i % 4], case when i % 100 = 13 then 'tls_error' when i % 25 = 1 then 'expiring' else 'issued' end,
      'sha256:' || upper(encode(sha256(i::text::bytea), 'hex')), now() - interval '30 days', now() + (i % 8000) * interval '15 minutes',
      now() + (i % 4000 - 10) * interval '15 minutes', 'renewal_succeeded', now(), case when i % 1000 = 5 then 'stale_served' else 'in_step' end
    from generate_series(1, ${million}) i`,
  );
  await bulk(
    sql,
    'certificate_lifecycle_events',
    () => sql`
    insert into certificate_lifecycle_events (id, source, source_event_id, cluster_id, org_id, domain_id, domain, event_type, status, outcome,
      occurred_at, retry_count, last_error, error_class, error_pattern, error_fingerprint, group_id, content_hash, created_at, updated_at, processed_at)
    select uuidv7(), 'source-' || n % 40, 'e-' || n, 'cluster', d.org_id, d.id, d.domain, 'renewal_succeeded',
      case when n % 1000 = 3 then 'failed' else 'applied' end, case when n % 1000 = 3 then null else 'applied' end, now(), 0,
      case when n % 1000 = 3 then 'timed out' end, case when n % 1000 = 3 then 'internal' end, case when n % 1000 = 3 then 'timed out' end,
      case when n % 1000 = 3 then 'f' end, gen_random_uuid(), ''::bytea, now(), now(), now()
    from (select id, domain, org_id, row_number() over () as n from custom_domains) d`,
  );
  await sql`truncate domain_counts, event_counts, domain_clocks`;
  await sql`insert into domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
    select org_id, region, tls_status, drift_state, count(*), max(cert_last_event_at) from custom_domains group by 1, 2, 3, 4`;
  await sql`insert into event_counts (org_id, source, cluster_id, event_type, status, error_class, resolved, n)
    select org_id, source, cluster_id, event_type, status, error_class, true, count(*) from certificate_lifecycle_events group by 1, 2, 3, 4, 5, 6`;
  await sql`insert into domain_clocks (domain_id, renewal_due_at, ends_at) select id, renewal_due_at, tls_not_after from custom_domains`;
  await sql`insert into dead_letters (event_id, error_class, fingerprint, pattern, domain, source, cluster_id, org_id, event_type, replays, created_at, failed_at)
    select id, error_class, error_fingerprint, error_pattern, domain, source, cluster_id, org_id, event_type, 0, created_at, processed_at
    from certificate_lifecycle_events where status = 'failed' on conflict do nothing`;
};

beforeAll(async () => {
  console = await createTestConsole(Date.now());
  await console.db.sql.begin(fill);
  await console.db.sql`vacuum analyze`;
  await countExpiry(console.db, () => Date.now());
}, 600_000);
afterAll(() => console?.close());

const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
const site = 'site-0123456.tenant-3456.example.net';

it.each([
  '/console',
  '/console?org=org-7',
  '/console/domains',
  '/console/domains?status=tls_error',
  '/console/domains?drift=any',
  '/console/domains?orgId=org-7&status=tls_error',
  '/console/domains?region=eu&status=expiring',
  '/console/domains?q=site-0123',
  '/console/domains?q=*.tenant-3456.example.net',
  '/console/domains?sort=ends',
  '/console/domains?sort=renewal&orgId=org-7',
  '/console/domains?sla=breach',
  `/console/domains?expires=${tomorrow}`,
  `/console/domains/${site}`,
  '/console/regions',
  '/console/search?q=site-01',
  '/console/search?q=4F1A9C02',
])('%s is there within 200 ms among a million domains and events', async (address) => {
  // Other tests share the machine: the best of some is what the page costs.
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const started = performance.now();
    const { status } = await console.get(address);
    times.push(performance.now() - started);
    expect(status).toBe(200);
  }
  expect(Math.min(...times)).toBeLessThan(budgetMs);
});
