import { Hono } from 'hono';
import * as v from 'valibot';
import type { Ctx } from '../context.ts';
import { type OverviewFacts, readOverview } from '../db/overview.ts';
import { readPolicyReport } from '../db/policy.ts';
import { type Attention, attentionOf } from '../lifecycle/attention.ts';
import type { PolicyReport } from '../lifecycle/policy-report.ts';
import type { HttpEnv } from './env.ts';
import { filterText, strictQuery } from './filters.ts';
import { readQuery } from './input.ts';
import { overviewAnswer, policyAnswer } from './overview-answers.ts';
import { route } from './route.ts';
import { orgOf } from './scope.ts';

/** What the overview shows: to the API, the console and the CLI alike. */
export interface Overview extends Omit<OverviewFacts, 'attention'> {
  /** Epoch ms. */
  readonly generatedAt: number;
  readonly attention: Attention['items'];
  /** Kinds that were looked at and are well. */
  readonly well: Attention['well'];
}

/** Reads and assembles the overview of one organisation, or of all (null). */
export const overviewOf = async ({ db, now }: Pick<Ctx, 'db' | 'now'>, orgId: string | null): Promise<Overview> => {
  const at = now();
  const { attention: facts, ...rest } = await readOverview(db, { orgId, now: at });
  const { items, well } = attentionOf(facts, at);
  return { generatedAt: at, attention: items, well, ...rest };
};

const tag = 'Overview';
const query = strictQuery({ orgId: v.optional(filterText(200)) });

const overviewRoute = {
  summary: 'What needs attention, worst first; domains, events, rates and expiries at a glance',
  tag,
  role: 'viewer',
  scope: 'org',
  query,
  answers: { 200: { about: 'The overview; what spans organisations is null for one of them', schema: overviewAnswer } },
} as const;

const policyRoute = {
  summary: 'What the replay policy did, or would have done, when it last ran',
  tag: 'Dead letters',
  role: 'viewer',
  scope: 'all',
  answers: { 200: { about: 'The report; null when the policy never ran', schema: policyAnswer } },
} as const;

const iso = (epochMs: number | null): string | null => (epochMs === null ? null : new Date(epochMs).toISOString());

/** The overview as the API gives it: times in RFC 3339. */
const answerOf = ({ generatedAt, attention, events, day, expiry, ...rest }: Overview) => ({
  generatedAt: iso(generatedAt),
  attention: attention.map((item) => ({ ...item, since: iso(item.since) })),
  ...rest,
  events: { ...events, oldestPendingAt: iso(events.oldestPendingAt) },
  day: day?.map((step) => ({ ...step, at: iso(step.at) })) ?? null,
  expiry: { ...expiry, countedAt: iso(expiry.countedAt) },
});

const reportOf = ({ at, waiting, escalations, first: _first, ...rest }: PolicyReport) => {
  const group = <G extends { readonly since: number }>(one: G) => ({ ...one, since: iso(one.since) });
  return { at: iso(at), ...rest, waiting: waiting.map(group), escalations: escalations.map(group) };
};

/** The first thing that is looked at, and the report of the replay policy. */
export const overviewRoutes = () =>
  new Hono<HttpEnv>()
    .get('/v1/admin/overview', route(overviewRoute), async (c) => {
      const orgId = orgOf(c, readQuery(c, query).orgId);
      return c.json(answerOf(await overviewOf(c.var.ctx, orgId ?? null)));
    })
    .get('/v1/admin/dlq-policy', route(policyRoute), async (c) => {
      readQuery(c, strictQuery({}));
      const { config, db } = c.var.ctx;
      const report = await readPolicyReport(db);
      return c.json({
        enabled: config.CERT_DLQ_AUTO_REPLAY_ENABLED,
        dryRun: config.CERT_DLQ_AUTO_REPLAY_DRY_RUN,
        report: report === null ? null : reportOf(report),
      });
    });
