import type { Db } from './client.ts';
import type { DomainRow } from './domain-row.ts';
import { and, desc, eq, getTableColumns, isNull, lt, or } from './drizzle.ts';
import { events, incidents } from './schema.ts';

const { content_hash: _hash, group_id: _group, payload_json: _payload, ...eventColumns } = getTableColumns(events);

/** Events of a domain without their payload, those still unresolved with them, the newest received first. */
export const domainEvents = (
  { orm }: Db,
  { id, domain }: Pick<DomainRow, 'id' | 'domain'>,
  { limit, before }: { readonly limit: number; readonly before?: string | undefined },
) =>
  orm
    .select(eventColumns)
    .from(events)
    .where(
      and(
        eq(events.domain, domain),
        or(eq(events.domain_id, id), isNull(events.domain_id)),
        before === undefined ? undefined : lt(events.id, before),
      ),
    )
    .orderBy(desc(events.id))
    .limit(limit);

export type DomainIncident = typeof incidents.$inferSelect;

/** Incidents of a domain, the newest first. */
export const domainIncidents = (
  { orm }: Db,
  { id, domain }: Pick<DomainRow, 'id' | 'domain'>,
  limit: number,
): Promise<DomainIncident[]> =>
  orm
    .select()
    .from(incidents)
    .where(and(eq(incidents.domain, domain), eq(incidents.domain_id, id)))
    .orderBy(desc(incidents.id))
    .limit(limit);
