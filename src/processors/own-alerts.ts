import type { Ctx } from '../context.ts';
import type { Tx } from '../db/client.ts';
import { loadOwnAlerts, saveOwnAlerts } from '../db/own-alerts.ts';
import type { AlertRow } from '../lifecycle/alerts.ts';
import { decideOwnAlerts } from '../lifecycle/own-alerts.ts';
import type { OwnCondition } from '../lifecycle/own-conditions.ts';
import type { OwnClass } from '../lifecycle/own-words.ts';
import type { WorkTools } from './tools.ts';

/** What a pass over our own alerts came to. */
export interface OwnPass {
  /** Alerts that began with it. */
  readonly opened: readonly AlertRow[];
  /** Channels that have something to send once the transaction is committed. */
  readonly channels: readonly string[];
}

const nothing: OwnPass = { opened: [], channels: [] };

/**
 * Brings the alerts of these classes up to what holds now, in the caller's transaction: what begins is told of, what holds no
 * more ends. Nothing is done where another process is at it.
 */
export const settleOwnAlerts = async (
  { config, now }: Ctx,
  { notify }: Pick<WorkTools, 'notify'>,
  tx: Tx,
  classes: readonly OwnClass[],
  holding: readonly OwnCondition[],
): Promise<OwnPass> => {
  const limits = {
    now: now(),
    environment: config.CERT_DEPLOYMENT_ENV,
    alertCooldownMs: config.CERT_ALERT_COOLDOWN_SECONDS * 1000,
    runbookCooldownMs: config.CERT_RUNBOOK_COOLDOWN_SECONDS * 1000,
    routing: notify.routing,
  };
  const loaded = await loadOwnAlerts(tx, classes, limits.now - limits.alertCooldownMs);
  if (loaded === null) return nothing;
  const decisions = decideOwnAlerts(holding, loaded.rows, loaded.last, limits);
  await saveOwnAlerts(tx, decisions);
  const known = new Set(loaded.rows.map(({ alertKey }) => alertKey));
  return {
    opened: decisions.flatMap(({ changed }) => changed.filter(({ alertKey }) => !known.has(alertKey))),
    channels: [...new Set(decisions.flatMap(({ notices }) => notices.map(({ channel }) => channel)))],
  };
};
