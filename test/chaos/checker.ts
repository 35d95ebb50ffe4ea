import { settledView } from '../../src/lifecycle/view.ts';
import { type Flaw, type Sql, unfolded } from '../support/ledger.ts';
import { checkCounts } from './check-counts.ts';
import { accountsOf, checkBelongings, checkEffects, checkFaults, checkRows } from './check-ledger.ts';
import { checkNotices, type Cooldowns } from './check-notices.ts';
import type { CountingReceiver } from './receiver.ts';
import type { Verdict } from './scenario.ts';

export interface Evidence {
  readonly sql: Sql;
  readonly receiver: CountingReceiver;
  /** Folders with the journals of senders. */
  readonly dirs: readonly string[];
  /** Processes that ended although nobody ended them. */
  readonly ends: readonly string[];
  readonly cooldowns: Cooldowns;
  /** Tries that fail for other reasons than an unknown domain are part of the scenario. */
  readonly mayFail: boolean;
}

/** Identities that drives give; see world.ts. */
const driven = /^s\d+-\d+-\d+$/;
const orphan = /without its|nobody delivered|nobody decided|never arrived|nobody sent/;

const countOf = (flaws: readonly Flaw[], ...names: readonly string[]): number =>
  flaws.filter(({ flaw }) => names.includes(flaw)).length;

/**
 * Looks at everything that was kept, after all has settled: each accepted event is one row as it was sent, with an end and
 * one effect; states and incidents are the fold of the ledger; each notification was delivered under one id and is true;
 * each kept count is what a recount gives; nothing belongs to nothing.
 */
export const checkWorld = async ({ sql, receiver, dirs, ends, cooldowns, mayFail }: Evidence): Promise<Verdict> => {
  const accounts = accountsOf(dirs);
  const notices = await checkNotices(sql, receiver, cooldowns);
  const flaws = [
    ...(await checkRows(sql, accounts, driven)),
    ...(await checkEffects(sql)),
    ...(await unfolded(sql, settledView)),
    ...(await checkBelongings(sql)),
    ...(mayFail ? [] : await checkFaults(sql)),
    ...(await checkCounts(sql)),
    ...notices.flaws,
    ...notices.split,
    ...ends.map((what) => ({ flaw: 'a process ended by itself', what })),
  ];
  return {
    accepted: accounts.acked.size,
    lost: countOf(flaws, 'accepted, but not in the ledger', 'without an end', 'not what was sent'),
    doubled: countOf(flaws, 'applied more than once', 'accepted under two ids', 'in the ledger twice'),
    orphaned: flaws.filter(({ flaw }) => orphan.test(flaw)).length,
    notifications: notices.notifications,
    notificationsSplit: notices.split.length,
    flaws,
  };
};
