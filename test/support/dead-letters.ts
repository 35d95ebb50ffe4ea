import type { Sql } from './ledger.ts';

export interface Planting {
  readonly count: number;
  readonly domains: readonly string[];
  readonly error?: string;
  readonly errorClass?: 'internal' | 'invalid' | 'unresolved';
  /** `revoked` is a type that nothing can apply: the event fails for good as soon as it is tried. */
  readonly eventType?: 'renewal_failed' | 'revoked';
  readonly source?: string;
  readonly orgId?: string | null;
  /** When they were received and given up (epoch ms). */
  readonly at?: number;
}

/**
 * Puts dead letters into the ledger as if their tries had been used up, spread over the domains. The error may hold `{domain}`.
 *
 * @returns their ids in order
 */
export const plantDeadLetters = async (sql: Sql, planting: Planting): Promise<string[]> => {
  const { count, domains, eventType = 'renewal_failed', errorClass = 'internal', source = 'certbot' } = planting;
  const { error = 'route lookup of {domain} timed out', orgId = null, at = Date.now() - 3_600_000 } = planting;
  const rows = await sql<{ id: string }[]>`
    insert into certificate_lifecycle_events (id, source, cluster_id, source_event_id, org_id, domain, event_type, status, occurred_at,
      retry_count, last_error, error_class, error_pattern, group_id, content_hash, created_at, updated_at, processed_at)
    select (lpad(to_hex(${at}::bigint + n / 1000), 12, '0') || '7' || lpad(to_hex(n % 1000), 3, '0') || '8' || left(md5(random()::text), 15))::uuid,
      ${source}, 'eu', gen_random_uuid()::text, ${orgId}, d.name, ${eventType}, 'failed', to_timestamp(${at}::float8 / 1000) + n * interval '1 ms',
      6, replace(${error}, '{domain}', d.name), ${errorClass}, replace(${error}, '{domain}', '<domain>'), gen_random_uuid(), ''::bytea,
      to_timestamp(${at}::float8 / 1000), to_timestamp(${at}::float8 / 1000), to_timestamp(${at}::float8 / 1000)
    from generate_series(0, ${count - 1}::int) as n
    cross join lateral (select (${[...domains]}::text[])[1 + n % ${domains.length}::int] as name) as d
    order by n returning id`;
  return rows.map(({ id }) => id).toSorted();
};

/** Applications that the database has noted of these events: how many events had each number of them. */
export const applicationsOf = async (sql: Sql, ids: readonly string[]): Promise<Readonly<Record<number, number>>> => {
  const rows = await sql<{ times: number; events: number }[]>`
    select times, count(*)::int as events
    from (select u.id, count(a.event_id)::int as times from unnest(${[...ids]}::uuid[]) as u(id)
          left join noted_applications a on a.event_id = u.id group by u.id) as one
    group by times`;
  return Object.fromEntries(rows.map(({ times, events }) => [times, events]));
};
