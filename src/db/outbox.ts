import type { OutboxNotice } from '../lifecycle/alerts.ts';
import type { Tx } from './client.ts';

/** A notice and the domain it speaks of; null where it speaks of none. */
export type OutboxRow = OutboxNotice & { readonly domainId: string | null };

/** Puts notices into the outbox, due at once, in the order given. One that stands there already is left as it is. */
export const insertNotices = (tx: Tx, rows: readonly OutboxRow[]) => {
  const lines = rows.map((row, at) => ({ ...row, at }));
  return tx`
    insert into certificate_notifications (id, kind, action, alert_key, cycle, class, severity, route, channel, domain_id, domain,
      org_id, summary, body, next_attempt_at, fired_at, created_at, updated_at)
    select u.id, u.kind, u.action, u."alertKey", u.cycle, u.class, u.severity, u.route, u.channel, u."domainId", u.domain, u."orgId",
      u.summary, u.body, to_timestamp(u."createdAt" / 1000), to_timestamp(u."firedAt" / 1000), to_timestamp(u."createdAt" / 1000),
      to_timestamp(u."createdAt" / 1000)
    from jsonb_to_recordset(${JSON.stringify(lines)}::text::jsonb) as u(at int, id uuid, kind text, action text, "alertKey" text,
      cycle text, class text, severity text, route text, channel text, "domainId" uuid, domain text, "orgId" text, summary text,
      body jsonb, "createdAt" float8, "firedAt" float8)
    order by u.at
    on conflict (id) do nothing`;
};
