import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { findIncident, type IncidentRow, listIncidents, readIncidentStats } from '../../../db/incident-reads.ts';
import { domainNotifications } from '../../../db/notification-reads.ts';
import { AppError } from '../../../errors.ts';
import { incidentStatuses } from '../../../lifecycle/types.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, idOfCursor, pathId, remark, strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { acknowledge, incidentFilters, missingIncident, resolve } from '../../incidents.ts';
import { check, encodeCursor } from '../../input.ts';
import { may } from '../../rules.ts';
import { orgOf, visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { chosenOf, tickedOf } from '../ids.ts';
import { answerPage, seeOther } from '../page.tsx';
import { type IncidentAct, IncidentActPage } from '../pages/incident-act.tsx';
import { IncidentPage } from '../pages/incident.tsx';
import { IncidentsPage, incidentsTitle, type IncidentTab } from '../pages/incidents.tsx';
import { readFilters } from '../query.ts';

const size = 50;
const exportSize = 500;
const mostNotices = 20;

const tabs: readonly IncidentTab[] = [...incidentStatuses, 'all'];
const number = v.pipe(v.string(), v.regex(/^\d{1,4}$/, 'must be a number'), v.transform(Number));
const query = strictQuery({
  ...incidentFilters,
  status: v.optional(v.picklist(tabs, `must be one of ${tabs.join(', ')}`), 'open'),
  cursor: v.optional(filterText(200)),
  act: v.optional(v.picklist(['ack', 'resolve'], 'must be ack or resolve')),
  changed: v.optional(number, '0'),
  skipped: v.optional(number, '0'),
});

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, status: tab, act, changed, skipped, ...asked } = readFilters(c, query);
  const filter = { ...asked, orgId: orgOf(c, asked.orgId) };
  const listed = tab === 'all' ? filter : { ...filter, status: tab };
  return { cursor, tab, filter, listed, done: act === undefined ? null : { act, changed, skipped } };
};

const list = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const { cursor, tab, filter, listed, done } = askedOf(c);
  const [stats, found] = await Promise.all([
    readIncidentStats(db, filter),
    listIncidents(db, listed, { limit: size, before: idOfCursor(cursor) }),
  ]);
  const next = found.next === null ? null : encodeCursor(found.next);
  return answerPage(
    c,
    { title: incidentsTitle(stats) },
    <IncidentsPage {...{ tab, stats, size, done, next }} rows={found.incidents} />,
  );
};

const show = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const incident = visible(c, await findIncident(db, pathId(c)));
  if (incident === null) throw missingIncident();
  const notices = await attempt(c, 'the notifications', domainNotifications(db, incident.domain_id, mostNotices));
  const { created_at: from, resolved_at: to, status, domain } = incident;
  const during = notices?.filter(({ created_at: at }) => at >= from && (to === null || at <= to)) ?? null;
  const mayAsk = { sources: may(c, { role: 'viewer', scope: 'all' }) };
  return answerPage(
    c,
    { title: `${status === 'resolved' ? 'Resolved' : 'Incident'}: ${domain}` },
    <IncidentPage {...{ incident, mayAsk }} notices={during} />,
  );
};

const ask = (act: IncidentAct) => async (c: Context<HttpEnv>) => {
  const ids = tickedOf(chosenOf(c));
  const found = await Promise.all(ids.map((id) => findIncident(c.var.ctx.db, id)));
  const rows = found.flatMap((row) => visible(c, row) ?? []);
  if (rows.length < ids.length) throw missingIncident();
  return answerPage(c, { title: `${rows.length} incidents` }, <IncidentActPage {...{ act, rows }} />);
};

const acts = { ack: acknowledge, resolve } as const;
const noteShape = v.object({ note: remark });

const settle = (act: IncidentAct) => async (c: Context<HttpEnv>) => {
  const form = await readForm(c);
  const ids = tickedOf({ ids: form.get('ids') ?? '' });
  const { note } = check(noteShape, { note: form.get('note')?.trim() ?? null });
  let changed = 0;
  for (const id of ids) {
    try {
      if ((await acts[act](c, { id, note })).changed) changed += 1;
    } catch (error) {
      // One that somebody resolved meanwhile is told as a number; alone it is told as what it is.
      if (ids.length === 1 || !(error instanceof AppError && error.code === 'conflict')) throw error;
    }
  }
  const told = new URLSearchParams({ act, changed: String(changed), skipped: String(ids.length - changed) });
  return seeOther(c, ids.length === 1 ? `incidents/${ids[0]}` : `incidents?${told.toString()}`);
};

const exported = [
  'id',
  'created_at',
  'domain',
  'org_id',
  'incident_type',
  'tier',
  'status',
  'reason',
  'source',
  'cluster_id',
  'event_id',
  'acknowledged_at',
  'acknowledged_by',
  'acknowledge_note',
  'resolved_at',
  'resolved_by',
  'resolve_note',
] as const satisfies readonly (keyof IncidentRow)[];

const columns: readonly CsvColumn<IncidentRow>[] = exported.map((name) => ({ name, value: (row) => row[name] }));

const download = (c: Context<HttpEnv>) => {
  const { listed } = askedOf(c);
  return csvAnswer(c, {
    name: 'incidents',
    columns,
    read: async (before: string | null) => {
      const { incidents: rows, next } = await listIncidents(c.var.ctx.db, listed, { limit: exportSize, before });
      return { rows, next };
    },
  });
};

const operator = { role: 'operator', scope: 'org' } as const;

/** Incidents: the list and its export, single ones, and acknowledging and resolving one or some. */
export const incidentPages = () =>
  new Hono<HttpEnv>()
    .get('/console/incidents', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/incidents.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download)
    .get('/console/incidents/:id', page({ role: 'viewer', scope: 'org' }), show)
    .get('/console/incidents/some/ack', page(operator), ask('ack'))
    .get('/console/incidents/some/resolve', page(operator), ask('resolve'))
    .post('/console/incidents/some/ack', page({ ...operator, changes: 'incident.acknowledge' }), settle('ack'))
    .post('/console/incidents/some/resolve', page({ ...operator, changes: 'incident.resolve' }), settle('resolve'));
