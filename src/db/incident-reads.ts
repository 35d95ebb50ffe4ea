import { and, desc, eq, getTableColumns, lt, ne, type SQL, sql } from 'drizzle-orm';
import type { IncidentStatus, IncidentTier, IncidentType } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { incidents } from './schema.ts';

export interface IncidentFilter {
  readonly status?: IncidentStatus | undefined;
  readonly tier?: IncidentTier | undefined;
  readonly type?: IncidentType | undefined;
  readonly orgId?: string | undefined;
  readonly domain?: string | undefined;
  readonly source?: string | undefined;
  readonly clusterId?: string | undefined;
}

export interface IncidentStats {
  readonly total: number;
  readonly open: number;
  readonly acknowledged: number;
  readonly resolved: number;
  /** Open ones of tier 3; acknowledged ones no longer count. */
  readonly tier3_open: number;
}

export type IncidentRow = typeof incidents.$inferSelect;

const where = (filter: IncidentFilter): SQL[] => {
  const { status, tier, type, orgId, domain, source, clusterId } = filter;
  return [
    ...(status === undefined ? [] : [eq(incidents.status, status)]),
    ...(tier === undefined ? [] : [eq(incidents.tier, tier)]),
    ...(type === undefined ? [] : [eq(incidents.incident_type, type)]),
    ...(orgId === undefined ? [] : [eq(incidents.org_id, orgId)]),
    ...(domain === undefined ? [] : [eq(incidents.domain, domain)]),
    ...(source === undefined ? [] : [eq(incidents.source, source)]),
    ...(clusterId === undefined ? [] : [eq(incidents.cluster_id, clusterId)]),
  ];
};

/**
 * One page of incidents, newest first.
 *
 * @param before id that the page starts below; null for the first page
 * @returns the rows, and the id to continue below, null on the last page
 */
export const listIncidents = async (
  { orm }: Db,
  filter: IncidentFilter,
  { limit, before }: { limit: number; before: string | null },
): Promise<{ incidents: IncidentRow[]; next: string | null }> => {
  const rows = await orm
    .select(getTableColumns(incidents))
    .from(incidents)
    .where(and(...where(filter), ...(before === null ? [] : [lt(incidents.id, before)])))
    .orderBy(desc(incidents.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return { incidents: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

const counted = (condition?: SQL) =>
  (condition === undefined ? sql`count(*)` : sql`count(*) filter (where ${condition})`).mapWith(Number);

/** Counts of all incidents the filter lets through, whatever page is shown. */
export const readIncidentStats = async ({ orm }: Db, filter: IncidentFilter): Promise<IncidentStats> => {
  const open = eq(incidents.status, 'open');
  const [row] = await orm
    .select({
      total: counted(),
      open: counted(open),
      acknowledged: counted(eq(incidents.status, 'acknowledged')),
      resolved: counted(eq(incidents.status, 'resolved')),
      tier3_open: counted(sql`${open} and ${eq(incidents.tier, 3)}`),
    })
    .from(incidents)
    .where(and(...where(filter)));
  return row ?? { total: 0, open: 0, acknowledged: 0, resolved: 0, tier3_open: 0 };
};

/** What a person does to an incident: who, when (epoch ms) and, if they said, why. */
export interface Settling {
  readonly id: string;
  readonly actor: string;
  readonly note: string | null;
  readonly now: number;
}

/** `changed` holds the row as written; `unchanged` as it stood, already in the state asked for or past it. */
export type Settled =
  | { readonly kind: 'changed' | 'unchanged'; readonly incident: IncidentRow }
  | { readonly kind: 'missing' };

const settle = async ({ orm }: Db, id: string, from: SQL, values: Partial<IncidentRow>): Promise<Settled> => {
  const [changed] = await orm
    .update(incidents)
    .set(values)
    .where(and(eq(incidents.id, id), from))
    .returning();
  if (changed !== undefined) return { kind: 'changed', incident: changed };
  const [present] = await orm.select().from(incidents).where(eq(incidents.id, id));
  return present === undefined ? { kind: 'missing' } : { kind: 'unchanged', incident: present };
};

/** Acknowledges an open incident. Of two who come at once the first is recorded; the other finds it unchanged. */
export const acknowledgeIncident = (db: Db, { id, actor, note, now }: Settling): Promise<Settled> => {
  const at = new Date(now);
  return settle(db, id, eq(incidents.status, 'open'), {
    status: 'acknowledged',
    acknowledged_at: at,
    acknowledged_by: actor,
    acknowledge_note: note,
    updated_at: at,
  });
};

/** Resolves an incident that is not resolved yet; the first who does so is recorded. */
export const resolveIncident = (db: Db, { id, actor, note, now }: Settling): Promise<Settled> => {
  const at = new Date(now);
  return settle(db, id, ne(incidents.status, 'resolved'), {
    status: 'resolved',
    resolved_at: at,
    resolved_by: actor,
    resolve_note: note,
    updated_at: at,
  });
};
