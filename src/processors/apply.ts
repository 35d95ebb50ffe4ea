import type { Ctx } from '../context.ts';
import { type ApplyScope, loadForApply, loadHistory } from '../db/apply.ts';
import { isDataFault, type Tx } from '../db/client.ts';
import { saveDecision, saveFailures } from '../db/save-applied.ts';
import { AppError, messageOf } from '../errors.ts';
import { decide, domainsToRefold, type FailedTry, failTry, type Limits } from '../lifecycle/decide.ts';
import { onDatabase } from './on-database.ts';

export interface Applied {
  /** Ids of the events that were applied. */
  readonly applied: readonly string[];
  readonly failed: readonly FailedTry[];
}

const limitsOf = ({ config, now }: Ctx): Limits => ({
  now: now(),
  warnDays: config.CERT_EXPIRY_WARN_DAYS,
  slaWarningHours: config.CERT_RENEWAL_SLA_WARNING_HOURS,
  probeQuietSeconds: config.CERT_PROBE_QUIET_SECONDS,
  maxRetries: config.CERT_EVENT_MAX_RETRIES,
  baseBackoffSeconds: config.CERT_EVENT_BASE_BACKOFF_SECONDS,
});

interface Outcome extends Applied {
  /** Epoch ms of each event that was applied, in no order. */
  readonly receivedAt: readonly number[];
  /** Epoch ms when the first of the domains is to be looked at again. */
  readonly lookDueAt: number;
}

interface Saving {
  readonly saved: Promise<unknown>;
  readonly outcome: Outcome;
}

const idsOf = (scope: ApplyScope): readonly string[] => (scope.kind === 'event' ? [scope.id] : scope.ids);

/**
 * Decides about a scope and begins to save that. All that was read and decided ends here, the ids that were read too: kept until
 * it is saved, the rows of large groups would outlive the collections of the young generation.
 */
const decideAndSave = async (ctx: Ctx, tx: Tx, scope: ApplyScope): Promise<Saving> => {
  const { domains, events, incidents } = await loadForApply(tx, scope);
  // failpoint: apply.locked
  const limits = limitsOf(ctx);
  const history = await loadHistory(tx, domainsToRefold(domains, events));
  const decision = decide(domains, events, history, incidents, limits);
  const done = new Set(decision.applied.map(({ event }) => event.id));
  const outcome = {
    applied: idsOf(scope).filter((id) => done.has(id)),
    receivedAt: decision.applied.map(({ event }) => event.receivedAt),
    failed: decision.failed,
    lookDueAt: Math.min(...decision.domains.map(({ schedule }) => schedule.lookDueAt ?? Number.POSITIVE_INFINITY)),
  };
  return { saved: saveDecision(tx, decision, limits.now), outcome };
};

const applyOnce = (ctx: Ctx, scope: ApplyScope): Promise<Outcome> =>
  ctx.db.sql.begin(async (tx) => {
    const { saved, outcome } = await decideAndSave(ctx, tx, scope);
    await saved;
    // failpoint: apply.saved
    return outcome;
  });

/** Records that these events could not be applied for a reason the fold does not know. */
const recordFault = (ctx: Ctx, scope: ApplyScope, fault: unknown): Promise<FailedTry[]> =>
  ctx.db.sql.begin(async (tx) => {
    const { events } = await loadForApply(tx, scope);
    const limits = limitsOf(ctx);
    const failed = events.map((event) =>
      failTry(event, isDataFault(fault) ? 'invalid' : 'internal', messageOf(fault), limits),
    );
    if (failed.length > 0) await saveFailures(tx, failed, limits.now);
    // failpoint: apply.fault-saved
    return failed;
  });

const halves = (scope: Exclude<ApplyScope, { kind: 'event' }>): ApplyScope[] => {
  const middle = Math.ceil(scope.ids.length / 2);
  return [scope.ids.slice(0, middle), scope.ids.slice(middle)].map((ids) => ({ ...scope, ids }));
};

/**
 * Applies the events of a scope in one transaction. When a fault of one event undoes the transaction, the group is halved
 * until that event stands alone; all others are applied.
 *
 * @throws AppError `unavailable` when our own infrastructure failed: nothing was changed and no try was used up.
 */
export const applyScope = async (ctx: Ctx, scope: ApplyScope): Promise<Applied> => {
  try {
    const { applied, failed, receivedAt, lookDueAt } = await onDatabase(() => applyOnce(ctx, scope));
    // failpoint: apply.committed
    const appliedAt = ctx.now();
    for (const at of receivedAt) ctx.metrics.applyLatency.observe(Math.max(0, appliedAt - at) / 1000);
    if (lookDueAt <= appliedAt) ctx.queues.kickSettle();
    for (const { errorClass } of failed) ctx.metrics.eventTries.inc({ error_class: errorClass });
    return { applied, failed };
  } catch (fault) {
    if (fault instanceof AppError) throw fault;
    if (scope.kind === 'event' || scope.ids.length === 1) {
      ctx.log.error({ err: fault }, 'an event cannot be applied');
      return { applied: [], failed: await onDatabase(() => recordFault(ctx, scope, fault)) };
    }
    const parts = [];
    for (const half of halves(scope)) parts.push(await applyScope(ctx, half));
    return { applied: parts.flatMap((part) => part.applied), failed: parts.flatMap((part) => part.failed) };
  }
};
