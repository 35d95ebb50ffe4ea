import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { domainsServing } from '../../../db/certificate-search.ts';
import { listDomains, type NameMatch } from '../../../db/domain-list.ts';
import { findDomain, findDomainById } from '../../../db/domains.ts';
import { findEvent, listEvents } from '../../../db/event-reads.ts';
import { normalizeDomain } from '../../../lifecycle/domain-name.ts';
import type { HttpEnv } from '../../env.ts';
import { strictQuery } from '../../filters.ts';
import { visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { answerPage, seeOther } from '../page.tsx';
import { type Found, SearchPage } from '../pages/search.tsx';
import { readFilters } from '../query.ts';

const query = strictQuery({
  q: v.optional(v.pipe(v.string(), v.maxLength(300, 'must have at most 300 characters')), ''),
});
const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const most = 20;
const nothing: Found = { domains: [], events: [], certificates: [] };

/** The hex digits of something that is written as a fingerprint, with or without blanks, colons and `sha256:`. */
export const fingerprintIn = (text: string): string | null => {
  const hex = text.replace(/^sha-?256[:=\s]*/i, '').replaceAll(/[\s:]/g, '');
  return /^[0-9a-f]{8,64}$/i.test(hex) ? hex.toUpperCase() : null;
};

/** The page of the one thing with this id. */
const pageOfId = async (c: Context<HttpEnv>, id: string): Promise<string | null> => {
  const { db } = c.var.ctx;
  const [event, domain] = await Promise.all([findEvent(db, id), findDomainById(db, id)]);
  if (visible(c, event) !== null) return `events/${id}`;
  const row = visible(c, domain);
  return row === null ? null : `domains/${encodeURIComponent(row.domain)}`;
};

const matchOf = (text: string): NameMatch | null => {
  if (text.startsWith('*.')) {
    const suffix = normalizeDomain(text.slice(2));
    return suffix === null ? null : { suffix: `.${suffix}` };
  }
  return /^[a-z0-9._*-]{1,253}$/.test(text) ? { prefix: text } : null;
};

const byName = async (c: Context<HttpEnv>, text: string): Promise<Found> => {
  const { ctx, actor } = c.var;
  const match = matchOf(text);
  const name = normalizeDomain(text);
  const orgId = actor.orgId ?? undefined;
  const [{ domains }, { events }] = await Promise.all([
    match === null ? { domains: [] } : listDomains(ctx.db, { name: match, orgId }, { limit: most }),
    name === null ? { events: [] } : listEvents(ctx.db, { domain: name, orgId }, { limit: 5, before: null }),
  ]);
  return { ...nothing, domains, events: events.slice(0, 5) };
};

const search = async (c: Context<HttpEnv>) => {
  const { ctx, actor } = c.var;
  const asked = readFilters(c, query).q.trim();
  const text = asked.toLowerCase();
  if (uuid.test(text)) {
    const to = await pageOfId(c, text);
    if (to !== null) return seeOther(c, to);
  }
  const name = normalizeDomain(text);
  const exact = name === null ? null : visible(c, await findDomain(ctx.db, name));
  if (exact !== null) return seeOther(c, `domains/${encodeURIComponent(exact.domain)}`);
  const hex = fingerprintIn(asked);
  const certificates = hex === null ? [] : await domainsServing(ctx.db, hex, { orgId: actor.orgId, limit: most });
  const found = { ...(asked === '' ? nothing : await byName(c, text)), certificates };
  const [only] = [...found.domains, ...certificates];
  if (only !== undefined && found.domains.length + certificates.length === 1 && found.events.length === 0)
    return seeOther(c, `domains/${encodeURIComponent(only.domain)}`);
  return answerPage(
    c,
    { title: asked === '' ? 'Search' : `Search for ${asked}` },
    <SearchPage {...{ asked, found }} />,
  );
};

/** The search in the top bar: it leads straight to what is found, where that is one thing. */
export const searchPages = () =>
  new Hono<HttpEnv>().get('/console/search', page({ role: 'viewer', scope: 'org' }), search);
