import { resolveNotices } from '../lifecycle/alerts.ts';
import type { DomainRow, OrmTx } from './domain-row.ts';
import { eq } from './drizzle.ts';
import { alerts, notifications } from './schema-served.ts';

/** Ends the alerts of a domain that is about to go: every channel that was told is told of the end. */
export const endAlerts = async (
  tx: OrmTx,
  { id, domain, org_id: orgId, tls_status: status }: DomainRow,
  now: number,
): Promise<void> => {
  const rows = await tx.delete(alerts).where(eq(alerts.domain_id, id)).returning();
  const notices = rows.flatMap((row) => {
    const { key: alertKey, class: noticeClass, severity, route, cycle, channels, summary } = row;
    const alert = {
      alertKey,
      class: noticeClass,
      severity,
      route,
      cycle,
      channels,
      summary,
      domain,
      orgId,
      // Written by the settle pass, from a NoticeBody.
      body: row.body as Readonly<Record<string, string | number | null>>,
      firedAt: row.fired_at.getTime(),
      alert: { at: row.alerted_at.getTime(), count: row.alert_count },
      runbook: { at: row.runbook_at.getTime(), count: row.runbook_count },
    };
    return resolveNotices(alert, { status, error: null }, now);
  });
  if (notices.length === 0) return;
  const at = new Date(now);
  const values = notices.map(({ alertKey, orgId: owner, firedAt, createdAt: _at, ...notice }) => ({
    ...notice,
    alert_key: alertKey,
    org_id: owner,
    domain_id: id,
    next_attempt_at: at,
    fired_at: new Date(firedAt),
    created_at: at,
    updated_at: at,
  }));
  await tx.insert(notifications).values(values).onConflictDoNothing({ target: notifications.id });
};
