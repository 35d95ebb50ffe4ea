import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import type { DomainRow } from '../db/domain-row.ts';
import { domainEvents } from '../db/domain-timeline.ts';
import { changeDomain, createDomain, deleteDomain, findDomainById, markVerified } from '../db/domains.ts';
import { AppError } from '../errors.ts';
import {
  type DomainPatch,
  failurePolicyBody,
  newDomain,
  routeBody,
  verificationName,
} from '../lifecycle/domain-input.ts';
import { audited } from './audited.ts';
import { removedChange, savedChange } from './domain-change.ts';
import { answerDomainList, domainListQuery } from './domain-query.ts';
import { createdAnswer, domainAnswer, domainEventsAnswer, domainListAnswer } from './domain-schema.ts';
import { assertOwn, ownPatch } from './domain-scope.ts';
import { clockOf } from './domains.ts';
import type { HttpEnv } from './env.ts';
import { idOfCursor, pathId, strictBody, strictQuery } from './filters.ts';
import { encodeCursor, queryLimit, readJson, readQuery } from './input.ts';
import { resumeWaiting } from './registration.ts';
import { route } from './route.ts';
import { visible } from './scope.ts';
import { assertControl } from './verification.ts';

const tag = 'Custom domains';
const path = { id: 'Id of the domain' };
const eventsQuery = strictQuery({ limit: queryLimit(500, 200), cursor: v.optional(v.string()) });
const nothing = strictBody({});
const removed = v.strictObject({ ok: v.literal(true) });
const changed = { 200: { about: 'The domain as it is now', schema: domainAnswer } };

const present = <T>(found: T | null): T => {
  if (found === null) throw new AppError('not_found', 'There is no domain with this id');
  return found;
};

const found = async (c: Context<HttpEnv>, id: string): Promise<DomainRow> =>
  present(visible(c, await findDomainById(c.var.ctx.db, id)));

/** Changes the settings of a domain that are given. @throws AppError `not_found`. */
export const changeSettings = async (
  c: Context<HttpEnv>,
  { id, patch }: { readonly id: string; readonly patch: DomainPatch },
): Promise<DomainRow> =>
  audited(c, async (db) => {
    const saved = present(await changeDomain(db, id, patch, clockOf(c.var.ctx)));
    present(visible(c, saved.before));
    assertOwn(c, saved);
    return [saved.domain, savedChange(saved)];
  });

const change = async (c: Context<HttpEnv>, patch: DomainPatch) =>
  c.json({ ok: true, domain: await changeSettings(c, { id: pathId(c), patch }) });

/** Registers a domain, unverified. @throws AppError `conflict` when the name is registered. */
export const registerDomain = async (
  c: Context<HttpEnv>,
  { domain: name, ...patch }: v.InferOutput<typeof newDomain>,
): Promise<DomainRow> => {
  const { ctx } = c.var;
  const domain = await audited(c, async (db) => {
    const row = await createDomain(db, name, ownPatch(c, patch), clockOf(ctx));
    if (row === null) throw new AppError('conflict', 'The domain is registered already');
    const saved = { before: null, domain: row };
    assertOwn(c, saved);
    return [row, savedChange(saved)];
  });
  await resumeWaiting(ctx, [name]);
  return domain;
};

const create = async (c: Context<HttpEnv>) => {
  const domain = await registerDomain(c, await readJson(c, newDomain));
  const verification = { type: 'TXT', name: verificationName(domain.domain), value: domain.verification_token };
  return c.json({ ok: true, domain, verification }, 201);
};

/** Verifies a domain by its TXT record. @throws AppError `not_found`; what {@link assertControl} throws. */
export const verifyDomain = async (c: Context<HttpEnv>, { id }: { readonly id: string }): Promise<DomainRow> => {
  const { ctx } = c.var;
  const known = await found(c, id);
  if (ctx.config.DOMAIN_VERIFY_STRICT) await assertControl(ctx.resolveTxt, known);
  return audited(c, async (db) => {
    const saved = present(await markVerified(db, id, known.verification_token, clockOf(ctx)));
    present(visible(c, saved.before));
    return [saved.domain, savedChange(saved, 'domain.verify')];
  });
};

const verify = async (c: Context<HttpEnv>) => {
  await readJson(c, nothing);
  return c.json({ ok: true, domain: await verifyDomain(c, { id: pathId(c) }) });
};

const listEvents = async (c: Context<HttpEnv>) => {
  const { limit, cursor } = readQuery(c, eventsQuery);
  const domain = await found(c, pathId(c));
  const rows = await domainEvents(c.var.ctx.db, domain, { limit: limit + 1, before: idOfCursor(cursor) ?? undefined });
  const events = rows.slice(0, limit);
  const last = rows.length > limit ? events.at(-1) : undefined;
  return c.json({ events, nextCursor: last === undefined ? null : encodeCursor(last.id) });
};

const setRoute = async (c: Context<HttpEnv>) => change(c, await readJson(c, routeBody));

const removeRoute = async (c: Context<HttpEnv>) => {
  await readJson(c, nothing);
  return change(c, { region: null });
};

const setPolicy = async (c: Context<HttpEnv>) => change(c, await readJson(c, failurePolicyBody));

/** Removes a domain; its incidents are resolved, its events stay. @throws AppError `not_found`. */
export const removeDomain = (c: Context<HttpEnv>, { id }: { readonly id: string }): Promise<void> => {
  const { ctx, actor } = c.var;
  return audited(c, async (db) => [
    undefined,
    removedChange(present(visible(c, await deleteDomain(db, id, actor.name, ctx.now())))),
  ]);
};

const remove = async (c: Context<HttpEnv>) => {
  await removeDomain(c, { id: pathId(c) });
  return c.json({ ok: true });
};

const describeList = route({
  summary: 'List domains',
  tag,
  role: 'viewer',
  scope: 'org',
  query: domainListQuery,
  answers: { 200: { about: 'One page, in the order of the names', schema: domainListAnswer } },
});
const describeCreate = route({
  summary: 'Register a domain, unverified',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'domain.create',
  body: newDomain,
  answers: { 201: { about: 'Registered, with the TXT record that verifies it', schema: createdAnswer } },
  errors: [409],
});
const describeVerify = route({
  summary: 'Verify a domain by its TXT record',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'domain.verify',
  path,
  body: nothing,
  answers: changed,
  errors: [404, 409],
});
const describeEvents = route({
  summary: 'List the certificate events of a domain',
  tag,
  role: 'viewer',
  scope: 'org',
  path,
  query: eventsQuery,
  answers: { 200: { about: 'One page, the newest received first', schema: domainEventsAnswer } },
  errors: [404],
});
const describeRemove = route({
  summary: 'Remove a domain; its incidents are resolved, its events stay',
  tag,
  role: 'admin',
  scope: 'org',
  changes: 'domain.delete',
  path,
  answers: { 200: { about: 'Removed', schema: removed } },
  errors: [404],
});
const describeChange = (summary: string, body: v.GenericSchema) =>
  route({
    summary,
    tag,
    role: 'admin',
    scope: 'org',
    changes: 'domain.change',
    path,
    body,
    answers: changed,
    errors: [404],
  });
const describeRoute = describeChange('Route a domain to a region', routeBody);
const describeUnroute = describeChange('Remove the route of a domain', nothing);
const describePolicy = describeChange('Set how a domain backs off after failures', failurePolicyBody);

/** The control plane's own door to its domains: made, verified, routed and removed by id (contract 4). */
export const customDomainRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/domains/custom', describeList, answerDomainList)
    .post('/v1/domains/custom', describeCreate, create)
    .delete('/v1/domains/custom/:id', describeRemove, remove)
    .get('/v1/domains/custom/:id/cert-events', describeEvents, listEvents)
    .post('/v1/domains/custom/:id/verify', describeVerify, verify)
    .post('/v1/domains/custom/:id/route', describeRoute, setRoute)
    .post('/v1/domains/custom/:id/unroute', describeUnroute, removeRoute)
    .post('/v1/domains/custom/:id/failure-policy', describePolicy, setPolicy)
    .put('/v1/domains/custom/:id/failure-policy', describePolicy, setPolicy)
    .patch('/v1/domains/custom/:id/failure-policy', describePolicy, setPolicy);
