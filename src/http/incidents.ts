import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import {
  acknowledgeIncident,
  findIncident,
  type IncidentRow,
  listIncidents,
  readIncidentStats,
  resolveIncident,
  type Settled,
} from '../db/incident-reads.ts';
import { AppError } from '../errors.ts';
import { type IncidentTier, incidentStatuses, incidentTypes } from '../lifecycle/types.ts';
import { incidentAnswer, incidentDetail, incidentList } from './answers.ts';
import { audited, type Change } from './audited.ts';
import type { HttpEnv } from './env.ts';
import { filterText, idOfCursor, pathId, queryDomain, remark, strictBody, strictQuery } from './filters.ts';
import { encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { route } from './route.ts';
import { orgOf, sees, visible } from './scope.ts';

const tiers = { 1: 1, 2: 2, 3: 3 } as const satisfies Record<IncidentTier, IncidentTier>;

/** Filters of incidents, but for their status, that the API and the console share. */
export const incidentFilters = {
  tier: v.optional(
    v.pipe(
      v.picklist(['1', '2', '3'], 'must be 1, 2 or 3'),
      v.transform((digit) => tiers[digit]),
    ),
  ),
  type: v.optional(v.picklist(incidentTypes, `must be one of ${incidentTypes.join(', ')}`)),
  orgId: v.optional(filterText(200)),
  domain: v.optional(queryDomain),
  source: v.optional(filterText(80)),
  clusterId: v.optional(filterText(120)),
};

const listQuery = strictQuery({
  ...incidentFilters,
  status: v.optional(v.picklist(incidentStatuses, `must be one of ${incidentStatuses.join(', ')}`)),
  limit: queryLimit(500, 200),
  cursor: v.optional(filterText(200)),
});

const noteBody = strictBody({ note: remark });

/** What is told of an id that no incident has, or none that the caller may see. */
export const missingIncident = (): AppError => new AppError('not_found', 'There is no incident with this id');

const listRoute = {
  summary: 'Incidents, newest first',
  tag: 'Incidents',
  role: 'viewer',
  scope: 'org',
  query: listQuery,
  answers: {
    200: { about: 'A page of incidents, and counts of all that the filters let through', schema: incidentList },
  },
} as const;

const settleRoute = (
  summary: string,
  changes: 'incident.acknowledge' | 'incident.resolve',
  errors: readonly number[],
) =>
  ({
    summary,
    tag: 'Incidents',
    role: 'operator',
    scope: 'org',
    changes,
    path: { id: 'Id of the incident' },
    body: noteBody,
    answers: { 200: { about: 'The incident; a repeat changes nothing and says so', schema: incidentAnswer } },
    errors,
  }) as const;

const detailRoute = {
  summary: 'One incident',
  tag: 'Incidents',
  role: 'viewer',
  scope: 'org',
  path: { id: 'Id of the incident' },
  answers: { 200: { about: 'The incident', schema: incidentDetail } },
  errors: [404],
} as const;

/** What a person does to one incident, and why if they said. */
export interface IncidentAct {
  readonly id: string;
  readonly note: string | null;
}

/** The incident as it is now; `changed` is false where it was in that state already. */
export interface IncidentActed {
  readonly changed: boolean;
  readonly incident: IncidentRow;
}

const noted = (
  action: 'incident.acknowledge' | 'incident.resolve',
  { note }: IncidentAct,
  settled: Settled,
): Change | null => {
  if (settled.kind !== 'changed') return null;
  const { from, incident } = settled;
  return {
    action,
    object: { type: 'incident', id: incident.id },
    orgId: incident.org_id,
    before: { status: from },
    after: { status: incident.status, domain: incident.domain, incident_type: incident.incident_type },
    reason: note,
  };
};

const settleAs = async (
  c: Context<HttpEnv>,
  action: 'incident.acknowledge' | 'incident.resolve',
  act: IncidentAct,
): Promise<IncidentActed> => {
  const { ctx, actor } = c.var;
  const settle = action === 'incident.resolve' ? resolveIncident : acknowledgeIncident;
  const settled = await audited(c, async (db) => {
    const result = await settle(db, { ...act, actor: actor.name, now: ctx.now() });
    // Thrown here, it takes the change back.
    if (result.kind !== 'missing' && !sees(c, result.incident)) throw missingIncident();
    return [result, noted(action, act, result)];
  });
  if (settled.kind === 'missing') throw missingIncident();
  return { changed: settled.kind === 'changed', incident: settled.incident };
};

/** Acknowledges an open incident. @throws AppError `not_found`; `conflict` when it is resolved. */
export const acknowledge = async (c: Context<HttpEnv>, act: IncidentAct): Promise<IncidentActed> => {
  const acted = await settleAs(c, 'incident.acknowledge', act);
  if (!acted.changed && acted.incident.status === 'resolved')
    throw new AppError('conflict', 'The incident is resolved already');
  return acted;
};

/** Resolves an incident. @throws AppError `not_found`. */
export const resolve = (c: Context<HttpEnv>, act: IncidentAct): Promise<IncidentActed> =>
  settleAs(c, 'incident.resolve', act);

/** Reading, acknowledging and resolving incidents (contract 4). */
export const incidentRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/cert-incidents', route(listRoute), async (c) => {
      const { limit, cursor, ...asked } = readQuery(c, listQuery);
      const filter = { ...asked, orgId: orgOf(c, asked.orgId) };
      const before = idOfCursor(cursor);
      const { db } = c.var.ctx;
      const stats = await readIncidentStats(db, filter);
      const page =
        stats.total === 0 ? { incidents: [], next: null } : await listIncidents(db, filter, { limit, before });
      return c.json({
        incidents: page.incidents,
        nextCursor: page.next === null ? null : encodeCursor(page.next),
        stats,
      });
    })
    .get('/v1/admin/cert-incidents/:id', route(detailRoute), async (c) => {
      const incident = visible(c, await findIncident(c.var.ctx.db, pathId(c)));
      if (incident === null) throw missingIncident();
      return c.json({ incident });
    })
    .post(
      '/v1/admin/cert-incidents/:id/ack',
      route(settleRoute('Acknowledge an incident', 'incident.acknowledge', [404, 409])),
      async (c) => {
        const { changed, incident } = await acknowledge(c, { id: pathId(c), ...(await readJson(c, noteBody)) });
        return c.json(changed ? { ok: true, incident } : { ok: true, alreadyAcknowledged: true, incident });
      },
    )
    .post(
      '/v1/admin/cert-incidents/:id/resolve',
      route(settleRoute('Resolve an incident', 'incident.resolve', [404])),
      async (c) => {
        const { changed, incident } = await resolve(c, { id: pathId(c), ...(await readJson(c, noteBody)) });
        return c.json(changed ? { ok: true, incident } : { ok: true, alreadyResolved: true, incident });
      },
    );
