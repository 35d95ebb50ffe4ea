import type { Ctx } from '../context.ts';
import { writeAudit } from '../db/audit.ts';
import type { Db, Tx } from '../db/client.ts';
import { raiseCounters, type Sample, startCounters } from '../db/counters.ts';
import { inTransaction } from '../db/in-transaction.ts';
import {
  type PolicyCandidate,
  readCandidates,
  readFirsts,
  readLetterGroups,
  readPolicyReport,
  savePolicyReport,
  takePolicy,
} from '../db/policy.ts';
import { openForReplay, type Reopened } from '../db/reopen.ts';
import { noteSweep } from '../db/sweeps.ts';
import type { AlertRow } from '../lifecycle/alerts.ts';
import type { AuditAction } from '../lifecycle/audit.ts';
import { type EscalationClass, escalationClasses, type PolicyLimits } from '../lifecycle/escalation.ts';
import { deadLettersCondition } from '../lifecycle/own-conditions.ts';
import { planPolicy, type PolicyPlan } from '../lifecycle/policy-plan.ts';
import type { PolicyReport } from '../lifecycle/policy-report.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';
import { settleOwnAlerts } from './own-alerts.ts';
import type { WorkTools } from './tools.ts';

type Tools = Pick<WorkTools, 'notify'>;
type Mode = PolicyReport['mode'];

const escalated = ['dead_letters', 'dead_letters_exhausted'] as const;
// More kinds of error than these at once are one trouble; the rest is counted in the report.
const mostTold = 100;
const mostListed = 50;
const actor = 'policy';

const limitsOf = ({ config, now }: Ctx): PolicyLimits => ({
  now: now(),
  environment: config.CERT_DEPLOYMENT_ENV,
  maxReplays: config.CERT_DLQ_REPLAY_MAX_REPLAYS,
  cooldownMs: config.CERT_DLQ_REPLAY_COOLDOWN_SECONDS * 1000,
  maxAgeMs: config.CERT_DLQ_REPLAY_MAX_AGE_HOURS * 3_600_000,
});

/** Whether the policy acts, only reports, or is off; to look first goes before to act. */
const modeOf = ({ config }: Ctx): Mode | null => {
  if (config.CERT_DLQ_AUTO_REPLAY_DRY_RUN) return 'dry-run';
  return config.CERT_DLQ_AUTO_REPLAY_ENABLED ? 'on' : null;
};

const note = (db: Db, at: number, action: AuditAction, objectId: string | null, after: unknown, reason: string) =>
  writeAudit(db, {
    at,
    actor,
    actorKind: 'policy',
    role: null,
    action,
    objectType: 'dead_letters',
    objectId,
    orgId: null,
    before: null,
    after,
    reason,
    requestId: null,
    address: null,
  });

type Replayed = Readonly<Partial<Record<EscalationClass, number>>>;

const byClass = (candidates: readonly PolicyCandidate[], { replay }: PolicyPlan): Replayed => {
  const classes = new Map(replay.map((one) => [one.fingerprint, one.class]));
  const counts: Partial<Record<EscalationClass, number>> = {};
  for (const { fingerprint } of candidates) {
    const kind = classes.get(fingerprint);
    if (kind !== undefined) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
};

const reportOf = (
  mode: Mode,
  at: number,
  events: number,
  plan: PolicyPlan,
  candidates: readonly PolicyCandidate[],
): PolicyReport => {
  const alone = new Set(plan.replay.filter((one) => one.alone).map(({ fingerprint }) => fingerprint));
  const begun = candidates.filter(({ fingerprint }) => alone.has(fingerprint));
  const { waiting, escalations } = plan;
  return {
    mode,
    at,
    events,
    replayed: byClass(candidates, plan),
    waiting: waiting.slice(0, mostListed),
    escalations: escalations.slice(0, mostListed),
    more: Math.max(0, waiting.length - mostListed) + Math.max(0, escalations.length - mostListed),
    first:
      mode === 'dry-run'
        ? {}
        : {
            ...plan.first,
            ...Object.fromEntries(begun.map(({ fingerprint, id }) => [fingerprint, { eventId: id, at }])),
          },
  };
};

interface Run {
  readonly report: PolicyReport;
  readonly reopened: readonly Reopened[];
  readonly opened: readonly AlertRow[];
  readonly channels: readonly string[];
}

/** Replays, in the transaction that counts it; events that came to another end meanwhile are left out. */
const replay = async (db: Db, tx: Tx, candidates: readonly PolicyCandidate[], now: number): Promise<Reopened[]> => {
  if (candidates.length === 0) return [];
  const reopened = await openForReplay(
    db,
    candidates.map(({ id, failedAt }) => ({ id, endedAt: failedAt })),
    { actor, reason: 'replayed by policy', now, resetRetry: true, by: 'policy', replayId: null, from: 'failed' },
  );
  await raiseCounters(
    tx,
    reopened.map((): Sample => ({ name: 'fdt_cert_dlq_auto_replays_total', labels: {} })),
  );
  return reopened;
};

const classOf = ({ body }: AlertRow): string => String(body['escalationClass']);

const runOnce = (ctx: Ctx, tools: Tools, mode: Mode): Promise<Run | null> =>
  inTransaction(ctx.db, (db) =>
    db.sql.begin(async (tx): Promise<Run | null> => {
      if (!(await takePolicy(db))) return null;
      const limits = limitsOf(ctx);
      const groups = await readLetterGroups(db, limits);
      const firsts = await readFirsts(db, (await readPolicyReport(db))?.first ?? {});
      const plan = planPolicy(groups, firsts, limits);
      const found = await readCandidates(db, plan, limits, ctx.config.CERT_DLQ_REPLAY_MAX_EVENTS);
      const reopened = mode === 'on' ? await replay(db, tx, found, limits.now) : [];
      // failpoint: policy.reopened
      const done = new Set(reopened.map(({ id }) => id));
      const taken = mode === 'on' ? found.filter(({ id }) => done.has(id)) : found;
      const events = groups.reduce((sum, group) => sum + group.events, 0);
      const report = reportOf(mode, limits.now, events, plan, taken);
      await savePolicyReport(db, report);
      const told = mode === 'on' ? plan.escalations.slice(0, mostTold) : [];
      const holding = told.map((group) => deadLettersCondition(group, limits));
      const { opened, channels } = await settleOwnAlerts(ctx, tools, tx, escalated, holding);
      await raiseCounters(
        tx,
        opened.map((row) => ({ name: 'fdt_cert_dlq_escalations_total', labels: { class: classOf(row) } })),
      );
      // The audit log last: its rows are numbered one transaction after the other.
      if (reopened.length > 0)
        await note(
          db,
          limits.now,
          'policy.replay',
          null,
          { replayed: report.replayed },
          'dead letters that may pass now',
        );
      for (const { body, route } of opened) {
        const { fingerprint, error, events: n, reason } = body;
        const after = { class: body['escalationClass'], route, events: n, pattern: error };
        await note(db, limits.now, 'policy.escalate', String(fingerprint), after, String(reason));
      }
      return { report, reopened, opened, channels };
    }),
  );

/** What was told of under a policy that is off now is over. */
const endAll = async (ctx: Ctx, tools: Tools): Promise<void> => {
  const { channels } = await ctx.db.sql.begin((tx) => settleOwnAlerts(ctx, tools, tx, escalated, []));
  if (channels.length > 0) ctx.queues.kickDelivery(channels);
};

const zeros: readonly Sample[] = [
  { name: 'fdt_cert_dlq_auto_replays_total', labels: {} },
  ...escalationClasses.map((kind) => ({ name: 'fdt_cert_dlq_escalations_total', labels: { class: kind } }) as const),
];

const logOf = (ctx: Ctx, { report, opened }: Run): void => {
  const { mode, events, replayed, waiting, escalations } = report;
  if (events === 0) return;
  const facts = { mode, events, replayed, waiting: waiting.length, escalations: escalations.length };
  ctx.log.info({ ...facts, opened: opened.map(({ summary }) => summary) }, 'dead letters judged by policy');
};

/**
 * Replays dead letters by policy and tells of those it cannot (contract 7): one run, in one transaction with its counters,
 * audit rows and notices. Off unless it is asked for; a dry run only reports.
 */
export const dlqPolicy = (ctx: Ctx, tools: Tools) => {
  let counting = false;
  return async (): Promise<Outcome> => {
    const mode = modeOf(ctx);
    if (!counting) await onDatabase(() => startCounters(ctx.db, zeros));
    counting = true;
    const started = ctx.now();
    if (mode !== 'on') await onDatabase(() => endAll(ctx, tools));
    const run = mode === null ? null : await onDatabase(() => runOnce(ctx, tools, mode));
    if (run !== null) {
      // failpoint: policy.committed
      logOf(ctx, run);
      const jobs = run.reopened.map(({ id, generation, retry_count: tries }) => ({
        id,
        generation,
        tries,
        delayMs: 0,
      }));
      if (run.channels.length > 0) ctx.queues.kickDelivery(run.channels);
      if (jobs.length > 0) await ctx.queues.enqueueEvents(jobs);
    }
    await onDatabase(() => noteSweep(ctx.db, 'policy', started));
    return { kind: 'done', note: { mode: mode ?? 'off', replayed: run?.reopened.length ?? 0 } };
  };
};
