import type { AlertDecision, AlertRow } from '../lifecycle/alerts.ts';
import type { LastTold } from '../lifecycle/own-alerts.ts';
import type { OwnClass } from '../lifecycle/own-words.ts';
import type { Tx } from './client.ts';
import { msOf } from './epoch.ts';
import { insertNotices } from './outbox.ts';
import { alertColumns, saveAlerts } from './settle.ts';

/**
 * The alerts of these classes that fire, and when each that speaks of no domain was last told of. Held for this transaction
 * alone; null where another has them.
 *
 * @param since epoch ms; notices decided before it do not count
 */
export const loadOwnAlerts = async (
  tx: Tx,
  classes: readonly OwnClass[],
  since: number,
): Promise<{ rows: AlertRow[]; last: LastTold[] } | null> => {
  const [lock] = await tx<{ taken: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtext('own alerts'), hashtext(${classes.join()})) as taken`;
  if (lock?.taken !== true) return null;
  const [rows, last] = await Promise.all([
    tx<AlertRow[]>`
      select ${alertColumns(tx)} from certificate_alerts a left join custom_domains d on d.id = a.domain_id
      where a.class = any(${[...classes]}::text[]) order by a.key for update of a`,
    tx<LastTold[]>`
      select alert_key as "alertKey", ${msOf(tx, tx`max(created_at)`)} as at from certificate_notifications
      where domain_id is null and class = any(${[...classes]}::text[]) and action = 'fire' and status <> 'dead'
        and created_at > to_timestamp(${since} / 1000.0)
      group by alert_key`,
  ]);
  return { rows, last };
};

/** Writes what was decided: alerts that fire, those that are over, and what is told of them. */
export const saveOwnAlerts = async (tx: Tx, decisions: readonly AlertDecision[]): Promise<void> => {
  const none = { domainId: null };
  const changed = decisions.flatMap((one) => one.changed.map((row) => ({ ...row, ...none })));
  const ended = decisions.flatMap((one) => one.ended);
  const notices = decisions.flatMap((one) => one.notices.map((notice) => ({ ...notice, ...none })));
  if (ended.length > 0) await tx`delete from certificate_alerts where key = any(${ended}::text[])`;
  if (changed.length > 0) await saveAlerts(tx, changed);
  if (notices.length > 0) await insertNotices(tx, notices);
};
