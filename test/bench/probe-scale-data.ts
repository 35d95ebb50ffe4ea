import type { Sql, TransactionSql } from 'postgres';
import type { Site } from './probe-servers.ts';
import { bulk } from './scale-data.ts';

export const domainCount = 1_000_000;
/** Domains that real servers answer for. */
export const liveCount = 20_000;
const apart = domainCount / liveCount;
// The live ones lie evenly between the others, and have a name below that of their server.
const isLive = (i: string): string => `${i} % ${apart} = 0`;

const loadDomains = (sql: TransactionSql, sites: readonly Site[]) => sql`
  insert into custom_domains (id, org_id, domain, verified, verification_token, tls_mode, target_tunnel_id, region, probe_address,
    last_verified_at, tls_status, certificate_ref, tls_not_before, tls_not_after, tls_last_checked_at, certificate_filled,
    observed_certificate_ref, observed_not_before, observed_not_after, drift_state, renewal_due_at, renewal_due_source, look_due_at,
    probe_due_at)
  select uuidv7(), 'org-' || i % 1000, case when ${sql.unsafe(isLive('i'))} then 'd' || i || '.' || s.domain
      else 'site-' || i || '.tenant-' || i % 5000 || '.bench.test' end,
    true, md5(i::text), 'termination', t.id, t.region, case when ${sql.unsafe(isLive('i'))} then array[s.address] end,
    now(), 'issued', c.ref, c.since, c.until, now(), true, c.ref, c.since, c.until, 'in_step',
    -- One in two hundred is past its deadline, one in forty due within three days.
    now() + (i % 4000 - 20) * interval '36 minutes', 'lifetime', now() + (2 + i % 40000) * interval '1 minute',
    now() + interval '3 hours' + (i % 75600) * interval '1 second'
  from generate_series(0, ${domainCount - 1}) i
  cross join (select id, region from tunnels limit 1) t
  cross join lateral (select 'sha256:' || upper(encode(sha256(i::text::bytea), 'hex')) as ref,
    now() - interval '30 days' as since, now() + (i % 4000) * interval '15 minutes' + interval '35 days' as until) c
  join unnest(${sites.map(({ domain }) => domain)}::text[], ${sites.map(({ address }) => address)}::text[])
    with ordinality s(domain, address, n) on s.n = 1 + (i / ${apart}) % ${sites.length}`;

const loadAddresses = (sql: TransactionSql) => sql`
  insert into domain_addresses (domain_id, address, certificate_ref, tls_not_before, tls_not_after, chain_not_after, verdict, depth,
    full_verdict, fully_checked_at, checked_at, details)
  select id, '192.0.2.7:443', certificate_ref, tls_not_before, tls_not_after, tls_not_after, 'ok', 'fetch', 'ok',
    now() - interval '3 days', now(), jsonb_build_object('serial', upper(md5(domain)), 'subject', 'CN=' || domain,
      'issuer', 'C=US, O=Let''s Encrypt, CN=E7', 'names', jsonb_build_array(domain), 'chainLength', 2, 'tlsVersion', 'TLSv1.3')
  from custom_domains where probe_address is null`;

/** Fills a fresh database with a million domains, looked at and well; takes a minute or two. */
export const loadProbed = async (sql: Sql, sites: readonly Site[]): Promise<void> => {
  await sql.begin(async (tx) => {
    await tx`set local maintenance_work_mem = '512MB'`;
    await tx`delete from custom_domains`;
    await bulk(tx, 'custom_domains', () => loadDomains(tx, sites));
    await bulk(tx, 'domain_addresses', () => loadAddresses(tx));
    await bulk(
      tx,
      'domain_clocks',
      () => tx`
        insert into domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at)
        select id, renewal_due_at, look_due_at, probe_due_at from custom_domains`,
    );
    await tx`truncate domain_counts`;
    await tx`
      insert into domain_counts (org_id, region, tls_status, drift_state, n, last_event_at)
      select org_id, region, tls_status, drift_state, count(*), null from custom_domains group by 1, 2, 3, 4`;
  });
  await sql`vacuum analyze`;
  await sql`checkpoint`;
};

/** Makes the live domains due one after the other over `seconds`, in no order of the table. */
export const makeDue = async (sql: Sql, seconds: number): Promise<void> => {
  await sql`
    with live as (
      select id, row_number() over (order by md5(domain)) as n from custom_domains where probe_address is not null)
    update domain_clocks c set probe_due_at = now() + live.n * ${seconds / liveCount}::float8 * interval '1 second'
    from live where c.domain_id = live.id`;
  await sql`checkpoint`;
};

/** Makes the last full handshake of two live domains in a hundred more than a week old. */
export const ageSome = async (sql: Sql): Promise<void> => {
  await sql`
    update domain_addresses a set fully_checked_at = now() - interval '8 days'
    from (select id, row_number() over (order by md5(domain)) as n from custom_domains where probe_address is not null) live
    where a.domain_id = live.id and live.n % 50 = 0`;
};
