import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { countByDeadline, listByDeadline } from '../../../db/domain-deadlines.ts';
import { regionSummary } from '../../../db/domain-summary.ts';
import { listEvents } from '../../../db/event-reads.ts';
import { readOrgNames } from '../../../db/org-names.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, strictQuery } from '../../filters.ts';
import { overviewOf } from '../../overview.ts';
import { orgOf } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { answerPage } from '../page.tsx';
import { OverviewPage, verdictOf } from '../pages/overview.tsx';
import { readFilters } from '../query.ts';

const query = strictQuery({ org: v.optional(filterText(200)) });
const dueWithinMs = 72 * 3_600_000;
const mostOrgs = 50;

const readDue = async (c: Context<HttpEnv>, orgId: string | undefined) => {
  const { db, now } = c.var.ctx;
  const to = now() + dueWithinMs;
  const [{ domains }, total] = await Promise.all([
    listByDeadline(db, { by: 'renewal', to, orgId }, { limit: 5, after: null }),
    orgId === undefined ? countByDeadline(db, 'renewal', to) : null,
  ]);
  return { domains, total };
};

const show = async (c: Context<HttpEnv>) => {
  const { ctx } = c.var;
  const orgId = orgOf(c, readFilters(c, query).org);
  const [overview, regions, due, latest, orgs] = await Promise.all([
    overviewOf(ctx, orgId ?? null),
    attempt(c, 'the regions', regionSummary(ctx.db, orgId)),
    attempt(c, 'the renewals due', readDue(c, orgId)),
    attempt(c, 'the latest events', listEvents(ctx.db, { orgId }, { limit: 5, before: null })),
    attempt(c, 'the organisations', readOrgNames(ctx.db, mostOrgs)),
  ]);
  const { length } = overview.attention;
  return answerPage(
    c,
    { title: length === 0 ? verdictOf(0) : `${length} need attention` },
    <OverviewPage {...{ overview, regions, due, orgs, orgId }} latest={latest?.events.slice(0, 5) ?? null} />,
  );
};

/** The front page of the console. */
export const overviewPages = () => new Hono<HttpEnv>().get('/console', page({ role: 'viewer', scope: 'org' }), show);
