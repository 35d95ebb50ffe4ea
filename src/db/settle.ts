import type { DueDomain } from '../lifecycle/alert-conditions.ts';
import type { AlertRow, LastNotice } from '../lifecycle/alerts.ts';
import type { CurrentIncident } from '../lifecycle/incidents.ts';
import type { DueLook, Settlement } from '../lifecycle/settle.ts';
import type { Db, Tx } from './client.ts';
import { ms } from './epoch.ts';
import { lockedColumns, lockedDomain, type LockedRow } from './locked-domain.ts';
import { insertNotices } from './outbox.ts';
import { saveIncidents } from './save-incidents.ts';

type Sql = Db['sql'];

/**
 * Ids of domains that are due for a look at `now` (epoch ms), those that wait longest first. They are not locked: what is
 * read behind the lock decides.
 *
 * @param without ids to leave out, few
 */
export const dueLooks = async (
  { sql }: Pick<Db, 'sql'>,
  { now, limit, without }: { readonly now: number; readonly limit: number; readonly without: readonly string[] },
): Promise<string[]> => {
  const rows = await sql<{ id: string }[]>`
    select domain_id as id from domain_clocks
    where look_due_at <= to_timestamp(${now} / 1000.0) and not (domain_id = any(${[...without]}::uuid[]))
    order by look_due_at limit ${limit}`;
  return rows.map(({ id }) => id);
};

const lockDue = (tx: Tx, ids: readonly string[], now: number) => tx<
  (LockedRow & Pick<DueDomain, 'driftState' | 'driftSince'>)[]
>`
  select ${lockedColumns(tx)}, d.drift_state as "driftState", ${ms(tx, 'd.drift_since')} as "driftSince"
  from custom_domains d
  where d.id = any(${[...ids]}::uuid[]) and d.look_due_at <= to_timestamp(${now} / 1000.0)
  order by d.id for update of d skip locked`;

/** Columns of an {@link AlertRow}, from `certificate_alerts a` and its domain `d`. */
export const alertColumns = (sql: Tx | Sql) => sql`
  a.key as "alertKey", a.class, a.severity, a.route, d.domain, d.org_id as "orgId", a.summary, a.body, a.cycle,
  ${ms(sql, 'a.fired_at')} as "firedAt", a.channels,
  json_build_object('at', ${ms(sql, 'a.alerted_at')}, 'count', a.alert_count) as alert,
  json_build_object('at', ${ms(sql, 'a.runbook_at')}, 'count', a.runbook_count) as runbook`;

const firing = (tx: Tx, ids: readonly string[]) => tx<(AlertRow & Owned)[]>`
  select a.domain_id as "domainId", ${alertColumns(tx)}
  from certificate_alerts a join custom_domains d on d.id = a.domain_id
  where a.domain_id = any(${[...ids]}::uuid[])
  order by a.key for update of a`;

const liveIncidents = (tx: Tx, ids: readonly string[]) => tx<(CurrentIncident & Owned)[]>`
  select i.domain_id as "domainId", i.id, i.incident_type as type, i.tier, i.status, i.reason, i.context
  from certificate_incidents i
  where i.status <> 'resolved'
    and i.domain = any(array(select d.domain from custom_domains d where d.id = any(${[...ids]}::uuid[])))
  order by i.id for update of i`;

const lastNotices = (tx: Tx, ids: readonly string[], since: number) => tx<(LastNotice & Owned)[]>`
  select distinct on (n.alert_key, n.kind, n.cycle) n.domain_id as "domainId", n.alert_key as "alertKey", n.kind, n.cycle,
    ${ms(tx, 'n.created_at')} as at
  from certificate_notifications n
  where n.domain_id = any(${[...ids]}::uuid[]) and n.action = 'fire' and n.status <> 'dead'
    and n.created_at > to_timestamp(${since} / 1000.0)
  order by n.alert_key, n.kind, n.cycle, n.seq desc`;

/** A row of a domain; null where it is of none. */
interface Owned<T extends string | null = string> {
  readonly domainId: T;
}

const byDomain = <T extends Owned>(rows: readonly T[]): ReadonlyMap<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const row of rows) groups.set(row.domainId, [...(groups.get(row.domainId) ?? []), row]);
  return groups;
};

/**
 * Locks those of the domains that are still due, in id order, and reads all that the decision needs behind the locks.
 * Domains that another transaction has locked are left out: they stay due.
 *
 * @param since epoch ms; notices decided before it hold back none
 */
export const loadDue = async (
  tx: Tx,
  ids: readonly string[],
  { now, since }: { readonly now: number; readonly since: number },
): Promise<DueLook[]> => {
  const [, domains] = await Promise.all([
    tx`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)`,
    lockDue(tx, ids, now),
  ]);
  if (domains.length === 0) return [];
  // Of the locked ones only: whoever has locked another may hold its incidents, and wait for one of these.
  const locked = domains.map(({ id }) => id);
  // Sent together, run one after the other.
  const [incidents, alerts, last] = await Promise.all([
    liveIncidents(tx, locked),
    firing(tx, locked),
    lastNotices(tx, locked, since),
  ]);
  const [incidentsOf, alertsOf, lastOf] = [byDomain(incidents), byDomain(alerts), byDomain(last)];
  return domains.map((row) => ({
    domain: { ...lockedDomain(row), driftState: row.driftState, driftSince: row.driftSince },
    incidents: incidentsOf.get(row.id) ?? [],
    alerts: alertsOf.get(row.id) ?? [],
    lastNotices: lastOf.get(row.id) ?? [],
  }));
};

const saveDomains = (tx: Tx, settled: readonly Settlement[], now: number) => {
  const pick = <T>(read: (one: Settlement) => T): T[] => settled.map(read);
  return tx`
    update custom_domains d set
      tls_status = u.tls_status, tls_last_error = u.error, certificate_ref = u.certificate_ref, certificate_filled = u.filled = 1,
      tls_not_before = to_timestamp(u.not_before / 1000), tls_not_after = to_timestamp(u.not_after / 1000),
      renewal_due_at = to_timestamp(u.due_at / 1000), renewal_due_source = u.due_source,
      look_due_at = to_timestamp(u.look_due_at / 1000), alerting = u.alerting = 1,
      updated_at = case when (d.tls_status, d.tls_last_error, d.certificate_ref, d.tls_not_after, d.renewal_due_at) is distinct from
        (u.tls_status, u.error, u.certificate_ref, to_timestamp(u.not_after / 1000), to_timestamp(u.due_at / 1000))
        then to_timestamp(${now} / 1000.0) else d.updated_at end
    from unnest(
      ${pick((s) => s.domain.id)}::uuid[], ${pick((s) => s.view.tlsStatus)}::text[], ${pick((s) => s.view.error)}::text[],
      ${pick((s) => s.view.certificate.ref)}::text[], ${pick((s) => Number(s.view.certificate.filled))}::int2[],
      ${pick((s) => s.view.certificate.notBefore)}::float8[], ${pick((s) => s.view.certificate.notAfter)}::float8[],
      ${pick((s) => s.view.renewalDue?.at ?? null)}::float8[], ${pick((s) => s.view.renewalDue?.source ?? null)}::text[],
      ${pick((s) => s.lookDueAt)}::float8[], ${pick((s) => Number(s.alerts.alerting))}::int2[]
    ) as u(id, tls_status, error, certificate_ref, filled, not_before, not_after, due_at, due_source, look_due_at, alerting)
    where d.id = u.id`;
};

/** Writes alerts that fire: new ones, and those that a notice was decided for. */
export const saveAlerts = (tx: Tx, lines: readonly (AlertRow & Owned<string | null>)[]) => tx`
  insert into certificate_alerts (key, domain_id, class, severity, route, cycle, fired_at, alerted_at, alert_count, runbook_at,
    runbook_count, channels, summary, body)
  select u."alertKey", u."domainId", u.class, u.severity, u.route, u.cycle, to_timestamp(u."firedAt" / 1000),
    to_timestamp((u.alert ->> 'at')::float8 / 1000), (u.alert ->> 'count')::int, to_timestamp((u.runbook ->> 'at')::float8 / 1000),
    (u.runbook ->> 'count')::int, array(select jsonb_array_elements_text(u.channels)), u.summary, u.body
  from jsonb_to_recordset(${JSON.stringify(lines)}::text::jsonb) as u("alertKey" text, "domainId" uuid, class text, severity text,
    route text, cycle text, "firedAt" float8, alert jsonb, runbook jsonb, channels jsonb, summary text, body jsonb)
  on conflict (key) do update set severity = excluded.severity, route = excluded.route, cycle = excluded.cycle,
    fired_at = excluded.fired_at, alerted_at = excluded.alerted_at, alert_count = excluded.alert_count,
    runbook_at = excluded.runbook_at, runbook_count = excluded.runbook_count, channels = excluded.channels,
    summary = excluded.summary, body = excluded.body`;

/** Writes what was decided: status, incidents, alerts, the outbox and the next look, all in the caller's transaction. */
export const saveSettled = async (tx: Tx, settled: readonly Settlement[], now: number): Promise<void> => {
  const changed = settled.flatMap(({ domain, alerts }) =>
    alerts.changed.map((row) => ({ ...row, domainId: domain.id })),
  );
  const ended = settled.flatMap(({ alerts }) => alerts.ended);
  const notices = settled.flatMap(({ domain, alerts }) =>
    alerts.notices.map((notice) => ({ ...notice, domainId: domain.id })),
  );
  await Promise.all([
    saveDomains(tx, settled, now),
    saveIncidents(tx, settled, now),
    ended.length > 0 ? tx`delete from certificate_alerts where key = any(${ended}::text[])` : null,
    changed.length > 0 ? saveAlerts(tx, changed) : null,
    notices.length > 0 ? insertNotices(tx, notices) : null,
  ]);
};
