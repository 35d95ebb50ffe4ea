import type { IncidentStatus, IncidentTier, IncidentType } from '../lifecycle/types.ts';
import type { Db } from './client.ts';
import { and, desc, eq, getTableColumns, lt, ne, type SQL, sql } from './drizzle.ts';
import { incidentCounts } from './schema-counts.ts';
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

/** The filters, on the incidents themselves or on their kept counts, which know no domain. */
const where = (t: typeof incidents | typeof incidentCounts, filter: IncidentFilter): SQL[] => {
  const { status, tier, type, orgId, source, clusterId } = filter;
  return [
    ...(status === undefined ? [] : [eq(t.status, status)]),
    ...(tier === undefined ? [] : [eq(t.tier, tier)]),
    ...(type === undefined ? [] : [eq(t.incident_type, type)]),
    ...(orgId === undefined ? [] : [eq(t.org_id, orgId)]),
    ...(source === undefined ? [] : [eq(t.source, source)]),
    ...(clusterId === undefined ? [] : [eq(t.cluster_id, clusterId)]),
  ];
};

const whereRow = (filter: IncidentFilter): SQL[] => [
  ...where(incidents, filter),
  ...(filter.domain === undefined ? [] : [eq(incidents.domain, filter.domain)]),
];

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
    .where(and(...whereRow(filter), ...(before === null ? [] : [lt(incidents.id, before)])))
    .orderBy(desc(incidents.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return { incidents: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
};

const statsOf = (t: typeof incidents | typeof incidentCounts, count: (condition: SQL) => SQL) => {
  const open = eq(t.status, 'open');
  const number = (condition: SQL) => count(condition).mapWith(Number);
  return {
    total: number(sql`true`),
    open: number(open),
    acknowledged: number(eq(t.status, 'acknowledged')),
    resolved: number(eq(t.status, 'resolved')),
    tier3_open: number(sql`${open} and ${eq(t.tier, 3)}`),
  };
};

const rowStats = statsOf(incidents, (condition) => sql`count(*) filter (where ${condition})`);
const keptStats = statsOf(
  incidentCounts,
  (condition) => sql`coalesce(sum(${incidentCounts.n}) filter (where ${condition}), 0)`,
);

/** Counts of all incidents the filter lets through, whatever page is shown; kept ones unless a domain is named. */
export const readIncidentStats = async ({ orm }: Db, filter: IncidentFilter): Promise<IncidentStats> => {
  const [row] =
    filter.domain === undefined
      ? await orm
          .select(keptStats)
          .from(incidentCounts)
          .where(and(...where(incidentCounts, filter)))
      : await orm
          .select(rowStats)
          .from(incidents)
          .where(and(...whereRow(filter)));
  return row ?? { total: 0, open: 0, acknowledged: 0, resolved: 0, tier3_open: 0 };
};

/** One incident; null when there is none with this id. */
export const findIncident = async ({ orm }: Db, id: string): Promise<IncidentRow | null> => {
  const [row] = await orm.select().from(incidents).where(eq(incidents.id, id));
  return row ?? null;
};

/** What a person does to an incident: who, when (epoch ms) and, if they said, why. */
export interface Settling {
  readonly id: string;
  readonly actor: string;
  readonly note: string | null;
  readonly now: number;
}

/** `changed` holds the row as written and the status it had; `unchanged` as it stood, already in the state asked for or past it. */
export type Settled =
  | { readonly kind: 'changed'; readonly from: IncidentStatus; readonly incident: IncidentRow }
  | { readonly kind: 'unchanged'; readonly incident: IncidentRow }
  | { readonly kind: 'missing' };

const settle = ({ orm }: Db, id: string, from: SQL, values: Partial<IncidentRow>): Promise<Settled> =>
  orm.transaction(async (tx) => {
    const own = eq(incidents.id, id);
    const [present] = await tx.select().from(incidents).where(own).for('update');
    if (present === undefined) return { kind: 'missing' };
    const [changed] = await tx.update(incidents).set(values).where(and(own, from)).returning();
    return changed === undefined
      ? { kind: 'unchanged', incident: present }
      : { kind: 'changed', from: present.status, incident: changed };
  });

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
