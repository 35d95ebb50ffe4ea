import type { Ctx } from '../context.ts';
import { walkAudit, type WalkOptions } from '../db/audit-walk.ts';
import { AppError } from '../errors.ts';
import type { ChainReport } from '../lifecycle/audit-chain.ts';

// Each reads the whole log and holds a connection of the few that people share.
const most = 2;

const running = new WeakMap<Ctx, number>();

/**
 * Checks the whole audit log for somebody who asked, beside no more than one other such check in this process. One whose
 * asker has gone counts until it ends.
 *
 * @throws AppError `rate_limited`, at once
 */
export const checkAudit = (ctx: Ctx, options: WalkOptions): Promise<ChainReport> => {
  const beside = running.get(ctx) ?? 0;
  if (beside >= most)
    throw new AppError('rate_limited', 'The audit log is being checked already: try again when that has ended', {
      retryAfterSeconds: 5,
    });
  running.set(ctx, beside + 1);
  return walkAudit(ctx.db, options).finally(() => running.set(ctx, (running.get(ctx) ?? 1) - 1));
};
