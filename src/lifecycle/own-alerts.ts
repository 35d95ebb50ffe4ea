import { type AlertDecision, type AlertLimits, type AlertRow, decideAlerts } from './alerts.ts';
import type { OwnCondition } from './own-conditions.ts';

/** When the last notice of an alert was decided (epoch ms); of those that were not given up. */
export interface LastTold {
  readonly alertKey: string;
  readonly at: number;
}

const subjectOf = ({ alertKey }: AlertRow): string => alertKey.slice(0, alertKey.lastIndexOf(':'));

/**
 * Decides what is said of our own work: one notice to each channel when a matter begins, and one when it is over. There are no
 * reminders, and what comes back within the cooldown is told of after it, so that what goes up and down is no storm. Runbooks
 * speak of domains and are not triggered. Pure; what is decided twice has the same ids.
 *
 * @param rows the alerts of these classes that fire
 */
export const decideOwnAlerts = (
  holding: readonly OwnCondition[],
  rows: readonly AlertRow[],
  last: readonly LastTold[],
  limits: AlertLimits,
): AlertDecision[] => {
  const { now, alertCooldownMs, routing } = limits;
  const channels = new Map([...routing.channels].filter(([, { kinds }]) => !kinds.includes('runbook')));
  const bySubject = Map.groupBy(holding, ({ subject }) => subject);
  const subjects = new Set([...rows.map(subjectOf), ...bySubject.keys()]);
  return [...subjects].map((subject) => {
    const mine = rows.filter((row) => subjectOf(row) === subject);
    const conditions = (bySubject.get(subject) ?? []).flatMap(({ subject: _of, ...condition }) => {
      const alertKey = `${subject}:${condition.class}`;
      const row = mine.find((one) => one.alertKey === alertKey);
      const tooSoon = last.some((one) => one.alertKey === alertKey && now - one.at < alertCooldownMs);
      if (row === undefined && tooSoon) return [];
      const cycle = row?.cycle ?? new Date(now).toISOString();
      return [{ ...condition, cycle, silenced: (row?.alert.count ?? 0) > 0 }];
    });
    const about = { id: subject, domain: null, orgId: null };
    const over = { status: 'over', error: null };
    return decideAlerts(about, conditions, mine, [], over, { ...limits, routing: { ...routing, channels } });
  });
};
