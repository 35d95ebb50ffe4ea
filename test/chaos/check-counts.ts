import type { Flaw, Sql } from '../support/ledger.ts';

/** Every kept count, as the rows it is made of and the rows it counts; both sides have columns `key` and `n`. */
const counts: Readonly<Record<string, { readonly kept: string; readonly counted: string }>> = {
  events: {
    kept: `select jsonb_build_array(org_id, source, cluster_id, event_type, status, error_class, resolved), n from event_counts`,
    counted: `select jsonb_build_array(org_id, source, cluster_id, event_type, status, error_class, domain_id is not null), 1
      from certificate_lifecycle_events`,
  },
  domains: {
    kept: `select jsonb_build_array(org_id, region, tls_status, drift_state), n from domain_counts`,
    counted: `select jsonb_build_array(org_id, region, tls_status, drift_state), 1 from custom_domains`,
  },
  incidents: {
    kept: `select jsonb_build_array(org_id, source, cluster_id, incident_type, tier, status), n from incident_counts`,
    counted: `select jsonb_build_array(org_id, source, cluster_id, incident_type, tier, status), 1 from certificate_incidents`,
  },
  notifications: {
    kept: `select jsonb_build_array(org_id, channel, class, status), n from notification_counts`,
    counted: `select jsonb_build_array(org_id, channel, class, status), 1 from certificate_notifications`,
  },
  hours: {
    kept: `select jsonb_build_array(hour), n from event_hours`,
    counted: `select jsonb_build_array(hour_of(id)), 1 from certificate_lifecycle_events`,
  },
  'hours of senders': {
    kept: `select jsonb_build_array(source, cluster_id, hour), n from source_hours`,
    counted: `select jsonb_build_array(source, coalesce(cluster_id, ''), hour_of(id)), 1 from certificate_lifecycle_events
      where hour_of(id) >= (select coalesce(min(hour), 0) from source_hours)`,
  },
  senders: {
    kept: `select jsonb_build_array(source, cluster_id), events_total from cert_sources`,
    counted: `select jsonb_build_array(source, coalesce(cluster_id, '')), 1 from certificate_lifecycle_events`,
  },
  'unfinished events': {
    kept: `select jsonb_build_array(status, event_id), 1 from unfinished_events`,
    counted: `select jsonb_build_array(status, id), 1 from certificate_lifecycle_events where status <> 'applied'`,
  },
  'dead letters': {
    kept: `select jsonb_build_array(event_id, error_class, domain, org_id, replays), 1 from dead_letters`,
    counted: `select jsonb_build_array(id, coalesce(error_class, 'internal'), domain, org_id, dlq_replay_count), 1
      from certificate_lifecycle_events where status = 'failed'`,
  },
  'clocks of domains': {
    kept: `select jsonb_build_array(domain_id, renewal_due_at, look_due_at, ends_at), 1 from domain_clocks`,
    counted: `select jsonb_build_array(id, case when verified and tls_mode = 'termination' then renewal_due_at end, look_due_at,
      tls_not_after), 1 from custom_domains`,
  },
  'tries to deliver': {
    kept: `select jsonb_build_array(id), tries from certificate_notifications where requeues = 0`,
    counted: `select jsonb_build_array(n.id), 1 from notification_attempts a
      join certificate_notifications n on n.id = a.notification_id where n.requeues = 0`,
  },
  'notifications sent and dead': {
    kept: `select jsonb_build_array(labels), value from counters where name = 'fdt_cert_notifications_total' and labels not like '%failed%'`,
    // Only what is dead can be requeued.
    counted: `select jsonb_build_array(format('channel="%s",result="%s"', channel, result)), times
      from certificate_notifications cross join lateral (
        values ('sent', (status = 'sent')::int), ('dead', requeues + (status = 'dead')::int)) as ends(result, times)
      where times > 0`,
  },
};

/** Kept counts that a recount refutes: what each has too much of, or too little. */
export const checkCounts = async (sql: Sql): Promise<Flaw[]> => {
  const flaws: Flaw[] = [];
  for (const [of, { kept, counted }] of Object.entries(counts)) {
    const rows = await sql.unsafe<{ key: unknown; surplus: number }[]>(`
      select key, sum(n)::int as surplus
      from (select key, n from (${kept}) as k(key, n) union all select key, -n from (${counted}) as c(key, n)) as sides
      group by 1 having sum(n) <> 0 limit 20`);
    flaws.push(...[...rows].map((row) => ({ ...row, of, flaw: 'a kept count is wrong' })));
  }
  return flaws;
};
