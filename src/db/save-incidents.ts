import { v7 as uuidv7 } from 'uuid';
import type { LockedDomain } from '../lifecycle/decide.ts';
import type { IncidentWrite } from '../lifecycle/incidents.ts';
import type { Tx } from './client.ts';

/** What was decided about the incidents of one domain. */
export interface DecidedIncidents {
  readonly domain: Pick<LockedDomain, 'id' | 'domain' | 'orgId'>;
  readonly incidents: readonly IncidentWrite[];
}

interface Line extends Pick<DecidedIncidents, 'domain'> {
  readonly write: IncidentWrite;
}

const context = ({ write }: Line): string => JSON.stringify(write.context);
const resolvedBy = ({ write }: Line): string | null => write.resolvedBy;

const updateIncidents = (tx: Tx, lines: readonly Line[], now: number) => tx`
  update certificate_incidents i set
    tier = u.tier, status = u.status, event_id = coalesce(u.event_id, i.event_id), reason = u.reason, context = u.context::jsonb,
    source = coalesce(u.context::jsonb ->> 'source', i.source), cluster_id = coalesce(u.context::jsonb ->> 'clusterId', i.cluster_id),
    resolved_at = case when u.status = 'resolved' then to_timestamp(${now} / 1000.0) end,
    resolved_by = u.resolved_by, updated_at = to_timestamp(${now} / 1000.0)
  from unnest(${lines.map(({ write }) => write.id)}::uuid[], ${lines.map(({ write }) => write.tier)}::int2[],
              ${lines.map(({ write }) => write.status)}::text[], ${lines.map(({ write }) => write.eventId)}::uuid[],
              ${lines.map(({ write }) => write.reason)}::text[], ${lines.map(context)}::text[], ${lines.map(resolvedBy)}::text[])
    as u(id, tier, status, event_id, reason, context, resolved_by)
  where i.id = u.id`;

const insertIncidents = (tx: Tx, lines: readonly Line[], now: number) => tx`
  insert into certificate_incidents (id, domain_id, org_id, domain, incident_type, tier, status, event_id, source, cluster_id, reason,
    context, resolved_at, resolved_by, created_at, updated_at)
  select u.id, u.domain_id, u.org_id, u.domain, u.type, u.tier, u.status, u.event_id, u.context::jsonb ->> 'source',
    u.context::jsonb ->> 'clusterId', u.reason, u.context::jsonb,
    case when u.status = 'resolved' then to_timestamp(${now} / 1000.0) end, u.resolved_by,
    to_timestamp(${now} / 1000.0), to_timestamp(${now} / 1000.0)
  from unnest(${lines.map(() => uuidv7())}::uuid[], ${lines.map(({ domain }) => domain.id)}::uuid[], ${lines.map(({ domain }) => domain.orgId)}::text[],
              ${lines.map(({ domain }) => domain.domain)}::text[], ${lines.map(({ write }) => write.type)}::text[],
              ${lines.map(({ write }) => write.tier)}::int2[], ${lines.map(({ write }) => write.status)}::text[],
              ${lines.map(({ write }) => write.eventId)}::uuid[], ${lines.map(({ write }) => write.reason)}::text[], ${lines.map(context)}::text[],
              ${lines.map(resolvedBy)}::text[])
    as u(id, domain_id, org_id, domain, type, tier, status, event_id, reason, context, resolved_by)`;

/** Writes what was decided about incidents, behind the locks of their domains. */
export const saveIncidents = (tx: Tx, decided: readonly DecidedIncidents[], now: number): Promise<unknown> => {
  const lines = decided.flatMap(({ domain, incidents }) => incidents.map((write) => ({ write, domain })));
  const known = lines.filter(({ write }) => write.id !== null);
  const fresh = lines.filter(({ write }) => write.id === null);
  return Promise.all([
    // An incident that ends makes room for its successor, so updates go first.
    known.length > 0 ? updateIncidents(tx, known, now) : null,
    fresh.length > 0 ? insertIncidents(tx, fresh, now) : null,
  ]);
};
