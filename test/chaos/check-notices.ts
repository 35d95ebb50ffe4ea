import type { Flaw, Sql } from '../support/ledger.ts';
import type { CountingReceiver } from './receiver.ts';

interface NoticeRow {
  readonly seq: number;
  readonly id: string;
  readonly kind: 'alert' | 'runbook';
  readonly action: 'fire' | 'resolve';
  readonly channel: string;
  readonly alertKey: string;
  readonly cycle: string;
  readonly status: string;
  readonly requeues: number;
  /** Epoch ms. */
  readonly at: number;
}

interface AlertRow {
  readonly key: string;
  readonly channels: readonly string[];
}

/** Shortest times (ms) between two notices about one certificate, as CERT_ALERT_COOLDOWN_SECONDS and its like have them. */
export interface Cooldowns {
  readonly alert: number;
  readonly runbook: number;
}

const outbox = (sql: Sql): Promise<NoticeRow[]> =>
  sql<NoticeRow[]>`
    select seq::float8 as seq, id, kind, action, channel, alert_key as "alertKey", cycle, status, requeues,
      (extract(epoch from created_at) * 1000)::float8 as at
    from certificate_notifications order by seq`;

/** What was delivered against what was to be: each notice by its one id, and none that nobody decided. */
const deliveries = (rows: readonly NoticeRow[], receiver: CountingReceiver): Flaw[] => {
  const taken = receiver.taken();
  const known = new Set(rows.map(({ channel, id }) => `/${channel} ${id}`));
  const ours = rows.filter(({ channel }) => channel === 'alert-webhook' || channel === 'runbook');
  return [
    ...ours
      .filter(({ status }) => status === 'pending' || status === 'failed')
      .map(({ id, channel }) => ({ flaw: 'a notification nobody delivered', id, channel })),
    ...ours
      .filter(({ status, channel, id }) => status === 'sent' && !taken.has(`/${channel} ${id}`))
      .map(({ id, channel }) => ({ flaw: 'a notification counts as sent, but never arrived', id, channel })),
    ...[...receiver.deliveries().keys()]
      .filter((one) => !known.has(one))
      .map((id) => ({ flaw: 'a notification arrived that nobody decided', id })),
    ...[...receiver.altered()].map((id) => ({ flaw: 'a notification said something else the next time', id })),
  ];
};

const split = (receiver: CountingReceiver): Flaw[] =>
  [...receiver.idsBySubject()]
    .filter(([, ids]) => ids.size > 1)
    .map(([subject, ids]) => ({ flaw: 'one thing said under several ids', subject, ids: [...ids] }));

/** Said again although it had been said a short while ago. What was given up holds nothing back, also when it is requeued later. */
const repeated = (rows: readonly NoticeRow[], cooldowns: Cooldowns): Flaw[] => {
  const fires = rows.filter(({ action, status, requeues }) => action === 'fire' && status !== 'dead' && requeues === 0);
  const streams = Map.groupBy(fires, ({ kind, channel, alertKey, cycle }) =>
    JSON.stringify([kind, channel, alertKey, cycle]),
  );
  return [...streams].flatMap(([stream, notices]) =>
    notices.slice(1).flatMap(({ id, at, kind }, index) => {
      const before = notices[index];
      return before === undefined || at - before.at >= cooldowns[kind]
        ? []
        : [{ flaw: 'said again within its cooldown', stream, ids: [before.id, id], ms: at - before.at }];
    }),
  );
};

/** A channel's last word on an alert: that it fires exactly when it does. */
const lastWords = (rows: readonly NoticeRow[], alerts: readonly AlertRow[]): Flaw[] => {
  const firing = new Map(alerts.map(({ key, channels }) => [key, new Set(channels)]));
  const streams = Map.groupBy(
    rows.filter(({ kind }) => kind === 'alert'),
    ({ channel, alertKey }) => JSON.stringify([channel, alertKey]),
  );
  return [...streams.values()].flatMap((notices) => {
    const last = notices.at(-1);
    if (last === undefined || notices.some(({ status }) => status === 'dead')) return [];
    const { channel, alertKey, action, id } = last;
    const fires = firing.get(alertKey)?.has(channel) === true;
    return fires === (action === 'fire')
      ? []
      : [{ flaw: 'the last word on an alert is wrong', channel, alertKey, fires, id }];
  });
};

/** Alerts that do not fire though their domain is in trouble, or fire though it is not; what turns within a minute is left out. */
const untrue = async (sql: Sql): Promise<Flaw[]> => {
  const rows = await sql<{ key: string; state: string }[]>`
    with due as (
      select id::text || ':' || tls_status as key from custom_domains where tls_status in ('tls_error', 'expiring')
      union all
      select id || ':' || case when renewal_due_at <= now() then 'renewal_sla_breach' else 'renewal_sla_warning' end
      from custom_domains where verified and tls_mode = 'termination' and renewal_due_at <= now() + interval '72 hours'),
    firing as (select key from certificate_alerts where domain_id is not null and class <> 'drift'),
    turning as (
      select id::text as id from custom_domains
      where least(abs(extract(epoch from renewal_due_at - now())), abs(extract(epoch from renewal_due_at - now()) - 72 * 3600)) < 60)
    select key, state from (
      select key, 'is due and does not fire' as state from due where key not in (select key from firing)
      union all select key, 'fires and is not due' from firing where key not in (select key from due)) as wrong
    where split_part(key, ':', 1) not in (select id from turning)`;
  return [...rows].map((row) => ({ ...row, flaw: 'an alert is not as its domain is' }));
};

const unowned = async (sql: Sql): Promise<Flaw[]> => {
  const rows = await sql`
    select 'a notification without its domain' as flaw, id::text as id from certificate_notifications n
      where domain_id is not null and not exists (select 1 from custom_domains d where d.id = n.domain_id)
    union all select 'a delivery without its notification', notification_id::text from notification_attempts a
      where not exists (select 1 from certificate_notifications n where n.id = a.notification_id)
    union all select 'an alert without its domain', key from certificate_alerts a
      where domain_id is not null and not exists (select 1 from custom_domains d where d.id = a.domain_id)`;
  return [...rows].map((row) => ({ ...row, flaw: String(row['flaw']) }));
};

export interface Notices {
  readonly notifications: number;
  readonly split: readonly Flaw[];
  readonly flaws: readonly Flaw[];
}

/** Holds the outbox and the alerts against the receiver and the domains. */
export const checkNotices = async (sql: Sql, receiver: CountingReceiver, cooldowns: Cooldowns): Promise<Notices> => {
  const rows = await outbox(sql);
  const alerts = await sql<AlertRow[]>`select key, channels from certificate_alerts`;
  return {
    notifications: rows.length,
    split: [...split(receiver), ...repeated(rows, cooldowns)],
    flaws: [...deliveries(rows, receiver), ...lastWords(rows, alerts), ...(await untrue(sql)), ...(await unowned(sql))],
  };
};
