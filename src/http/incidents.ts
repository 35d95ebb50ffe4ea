import { Hono } from 'hono';
import * as v from 'valibot';
import { acknowledgeIncident, listIncidents, readIncidentStats, resolveIncident } from '../db/incident-reads.ts';
import { AppError } from '../errors.ts';
import { type IncidentTier, incidentStatuses, incidentTypes } from '../lifecycle/types.ts';
import { incidentAnswer, incidentList } from './answers.ts';
import { requireRole } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { filterText, idOfCursor, pathId, queryDomain, remark, strictBody, strictQuery } from './filters.ts';
import { encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { describe } from './openapi.ts';

const tiers = { 1: 1, 2: 2, 3: 3 } as const satisfies Record<IncidentTier, IncidentTier>;

const listQuery = strictQuery({
  status: v.optional(v.picklist(incidentStatuses, `must be one of ${incidentStatuses.join(', ')}`)),
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
  limit: queryLimit(500, 200),
  cursor: v.optional(filterText(200)),
});

const noteBody = strictBody({ note: remark });

const missing = (): AppError => new AppError('not_found', 'There is no incident with this id');

const listRoute = {
  summary: 'Incidents, newest first',
  tag: 'Incidents',
  role: 'viewer',
  query: listQuery,
  answers: {
    200: { about: 'A page of incidents, and counts of all that the filters let through', schema: incidentList },
  },
} as const;

const settleRoute = (summary: string, errors: readonly number[]) =>
  ({
    summary,
    tag: 'Incidents',
    role: 'operator',
    path: { id: 'Id of the incident' },
    body: noteBody,
    answers: { 200: { about: 'The incident; a repeat changes nothing and says so', schema: incidentAnswer } },
    errors,
  }) as const;

/** Reading, acknowledging and resolving incidents (contract 4). */
export const incidentRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/cert-incidents', describe(listRoute), requireRole('viewer'), async (c) => {
      const { limit, cursor, ...filter } = readQuery(c, listQuery);
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
    .post(
      '/v1/admin/cert-incidents/:id/ack',
      describe(settleRoute('Acknowledge an incident', [404, 409])),
      requireRole('operator'),
      async (c) => {
        const { ctx, actor } = c.var;
        const id = pathId(c);
        const { note } = await readJson(c, noteBody);
        const settled = await acknowledgeIncident(ctx.db, { id, actor: actor.name, note, now: ctx.now() });
        if (settled.kind === 'missing') throw missing();
        const { incident } = settled;
        if (settled.kind === 'changed') return c.json({ ok: true, incident });
        if (incident.status === 'resolved') throw new AppError('conflict', 'The incident is resolved already');
        if (incident.status === 'open')
          throw new AppError('conflict', 'The incident was opened again meanwhile; acknowledge it again');
        return c.json({ ok: true, alreadyAcknowledged: true, incident });
      },
    )
    .post(
      '/v1/admin/cert-incidents/:id/resolve',
      describe(settleRoute('Resolve an incident', [404])),
      requireRole('operator'),
      async (c) => {
        const { ctx, actor } = c.var;
        const id = pathId(c);
        const { note } = await readJson(c, noteBody);
        const settled = await resolveIncident(ctx.db, { id, actor: actor.name, note, now: ctx.now() });
        if (settled.kind === 'missing') throw missing();
        const { incident } = settled;
        return c.json(
          settled.kind === 'changed' ? { ok: true, incident } : { ok: true, alreadyResolved: true, incident },
        );
      },
    );
