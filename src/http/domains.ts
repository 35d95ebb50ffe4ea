import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import type { Ctx } from '../context.ts';
import type { Db } from '../db/client.ts';
import type { Clock, DomainRow } from '../db/domain-row.ts';
import { regionSummary } from '../db/domain-summary.ts';
import { domainEvents, domainIncidents } from '../db/domain-timeline.ts';
import { findDomain, type Saved, saveDomain } from '../db/domains.ts';
import { domainNotifications } from '../db/notification-reads.ts';
import { addressesOf, domainObservations } from '../db/probe-reads.ts';
import { AppError } from '../errors.ts';
import { type DomainPatch, domainSettings } from '../lifecycle/domain-input.ts';
import { normalizeDomain } from '../lifecycle/domain-name.ts';
import { audited } from './audited.ts';
import { savedChange } from './domain-change.ts';
import { answerProbe, describeProbe } from './domain-probe.ts';
import { answerDomainList, domainListQuery } from './domain-query.ts';
import { domainAnswer, domainDetailAnswer, domainListAnswer, summaryAnswer } from './domain-schema.ts';
import { assertOwn, ownPatch } from './domain-scope.ts';
import type { HttpEnv } from './env.ts';
import { filterText, strictQuery } from './filters.ts';
import { readJson, readQuery } from './input.ts';
import { resumeWaiting } from './registration.ts';
import { route } from './route.ts';
import { orgOf, sees, visible } from './scope.ts';

const tag = 'Domains';
const path = { domain: 'Host name; `*.` in front stands for every name below it' };
const timelineEvents = 50;
const timelineIncidents = 20;
const timelineProbes = 50;
const timelineNotifications = 50;

/** The clock and the warning window that settings are worked out with. */
export const clockOf = ({ now, config }: Ctx): Clock => ({
  now: now(),
  warnDays: config.CERT_EXPIRY_WARN_DAYS,
  slaWarningHours: config.CERT_RENEWAL_SLA_WARNING_HOURS,
});

const nameOf = (c: Context<HttpEnv>): string => {
  const name = normalizeDomain(c.req.param('domain') ?? '');
  if (name === null) throw new AppError('bad_request', 'The domain in the path must be a host name');
  return name;
};

const timelineOf = async (db: Db, domain: DomainRow) => {
  const [events, incidents, probes, notifications] = await Promise.all([
    domainEvents(db, domain, { limit: timelineEvents }),
    domainIncidents(db, domain, timelineIncidents),
    domainObservations(db, domain.id, timelineProbes),
    domainNotifications(db, domain.id, timelineNotifications),
  ]);
  return [
    ...events.map((event) => ({ kind: 'event' as const, at: event.occurred_at, ...event })),
    ...incidents.map((incident) => ({ kind: 'incident' as const, at: incident.created_at, ...incident })),
    ...notifications.map((one) => ({ kind: 'notification' as const, at: one.created_at, ...one })),
    ...probes.map((probe) => ({ kind: 'probe' as const, at: probe.created_at, ...probe })),
  ].toSorted((a, b) => b.at.getTime() - a.at.getTime());
};

const summaryQuery = strictQuery({ orgId: v.optional(filterText(200)) });
const noQuery = strictQuery({});

const show = async (c: Context<HttpEnv>) => {
  readQuery(c, noQuery);
  const { db } = c.var.ctx;
  const domain = visible(c, await findDomain(db, nameOf(c)));
  if (domain === null) throw new AppError('not_found', 'The domain is not registered');
  const [addresses, all] = await Promise.all([addressesOf(db, domain.id), timelineOf(db, domain)]);
  // Incidents that were over before the domain changed hands stay with its former owner.
  const timeline = all.filter((entry) => entry.kind !== 'incident' || sees(c, entry));
  return c.json({ domain, addresses, timeline });
};

const settle = async (c: Context<HttpEnv>, name: string, patch: DomainPatch): Promise<Saved> => {
  // Who loses the race to create it finds the row on the second way round, unless it is deleted again in between.
  for (let round = 0; round < 5; round += 1) {
    const saved = await audited(c, async (db) => {
      const one = await saveDomain(db, name, ownPatch(c, patch), clockOf(c.var.ctx));
      if (one !== null) assertOwn(c, one);
      return [one, one && savedChange(one)];
    });
    if (saved !== null) return saved;
  }
  throw new AppError('conflict', 'The domain is being created and deleted by others at the same time; try again');
};

/** Registers a domain or changes the settings that are given; events that waited for a new one go on. */
export const saveSettings = async (
  c: Context<HttpEnv>,
  { name, patch }: { readonly name: string; readonly patch: DomainPatch },
): Promise<{ readonly created: boolean; readonly domain: DomainRow }> => {
  const { ctx } = c.var;
  const { before, domain } = await settle(c, name, patch);
  const created = before === null;
  if (created) await resumeWaiting(ctx, [name]);
  return { created, domain };
};

const put = async (c: Context<HttpEnv>) => {
  const name = nameOf(c);
  const { created, domain } = await saveSettings(c, { name, patch: await readJson(c, domainSettings) });
  return c.json({ ok: true, domain }, created ? 201 : 200);
};

const summarise = async (c: Context<HttpEnv>) => {
  const { orgId } = readQuery(c, summaryQuery);
  return c.json({ regions: await regionSummary(c.var.ctx.db, orgOf(c, orgId)) });
};

const describeList = route({
  summary: 'List domains',
  tag,
  role: 'viewer',
  scope: 'org',
  query: domainListQuery,
  answers: { 200: { about: 'One page, in the order of the names', schema: domainListAnswer } },
});
const describeSummary = route({
  summary: 'Count domains by region and status',
  tag,
  role: 'viewer',
  scope: 'org',
  query: summaryQuery,
  answers: { 200: { about: 'One entry per region', schema: summaryAnswer } },
});
const describeShow = route({
  summary: 'Show a domain with its recent history',
  tag,
  role: 'viewer',
  scope: 'org',
  path,
  answers: { 200: { about: 'The domain and what happened to it, newest first', schema: domainDetailAnswer } },
  errors: [404],
});
const describePut = route({
  summary: 'Register a domain or change its settings',
  tag,
  role: 'admin',
  scope: 'org',
  changes: ['domain.create', 'domain.change'],
  path,
  body: domainSettings,
  answers: {
    200: { about: 'Changed', schema: domainAnswer },
    201: { about: 'Registered; events that waited for it are applied', schema: domainAnswer },
  },
});

/** Domains as operators and their tools see and set them (contract 4). The summary comes before the name that it could be. */
export const domainRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/domains', describeList, answerDomainList)
    .get('/v1/admin/domains/cert-region-summary', describeSummary, summarise)
    .get('/v1/admin/domains/:domain', describeShow, show)
    .post('/v1/admin/domains/:domain/probe', describeProbe, (c) => answerProbe(c, nameOf(c)))
    .put('/v1/admin/domains/:domain', describePut, put);
