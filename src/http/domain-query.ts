import type { Context } from 'hono';
import * as v from 'valibot';
import { type DomainFilter, listDomains, type NameMatch } from '../db/domain-list.ts';
import { AppError } from '../errors.ts';
import { regionName } from '../lifecycle/domain-input.ts';
import { normalizeDomain } from '../lifecycle/domain-name.ts';
import { driftStates, tlsStatuses } from '../lifecycle/types.ts';
import type { HttpEnv } from './env.ts';
import { filterText, strictQuery } from './filters.ts';
import { decodeCursor, encodeCursor, queryLimit, readQuery } from './input.ts';
import { orgOf } from './scope.ts';

const matchOf = (typed: string): NameMatch | null => {
  const text = typed.trim().toLowerCase();
  if (text.startsWith('*.')) {
    const suffix = normalizeDomain(text.slice(2));
    return suffix === null ? null : { suffix: `.${suffix}` };
  }
  // What is no whole name, as `shop-`, may still be the beginning of one.
  const prefix = /^[a-z0-9._*-]{1,253}$/.test(text) ? text : normalizeDomain(text);
  return prefix === null ? null : { prefix };
};

const nameMatch = v.pipe(
  v.string(),
  v.rawTransform<string, NameMatch>(({ dataset, addIssue, NEVER }) => {
    const match = matchOf(dataset.value);
    if (match !== null) return match;
    addIssue({ message: 'must be a host name, the beginning of one, or *. and a host name' });
    return NEVER;
  }),
  v.metadata({ description: 'A name, the beginning of one, or `*.suffix`' }),
);

/** What `GET /v1/admin/domains` and `GET /v1/domains/custom` can be asked. */
export const domainListQuery = strictQuery({
  status: v.optional(v.picklist(tlsStatuses, `must be one of ${tlsStatuses.join(', ')}`)),
  region: v.optional(v.union([v.literal('unassigned'), regionName], 'must be a region, or unassigned')),
  orgId: v.optional(filterText(200)),
  drift: v.optional(v.picklist(driftStates, `must be one of ${driftStates.join(', ')}`)),
  q: v.optional(nameMatch),
  limit: queryLimit(500, 200),
  cursor: v.optional(v.string()),
});

const afterOf = (cursor: string | undefined): string | undefined => {
  if (cursor === undefined) return undefined;
  const [after = ''] = decodeCursor(cursor, 1);
  if (normalizeDomain(after) === after) return after;
  throw new AppError('bad_request', 'cursor is not one that this list gave out');
};

/** Answers a list of domains. */
export const answerDomainList = async (c: Context<HttpEnv>) => {
  const { status, region, orgId: asked, drift, q, limit, cursor } = readQuery(c, domainListQuery);
  const orgId = orgOf(c, asked);
  const filter: DomainFilter = { status, region: region === 'unassigned' ? null : region, orgId, drift, name: q };
  const page = await listDomains(c.var.ctx.db, filter, { limit, after: afterOf(cursor) });
  return c.json({ domains: page.domains, nextCursor: page.next === null ? null : encodeCursor(page.next) });
};
