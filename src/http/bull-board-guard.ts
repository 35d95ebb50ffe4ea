import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import { includesRole } from '../lifecycle/access.ts';
import { displayText } from '../lifecycle/display-text.ts';
import { noteChange } from './audited.ts';
import type { BoardRule } from './bull-board-rules.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';
import { mayNoteDenied } from './login-limits.ts';
import { assertSameOrigin } from './same-origin.ts';

const longest = 200;

/** A change that somebody asks Bull Board for. */
export interface BoardChange {
  readonly what: string;
  readonly queue: string | null;
  readonly job: string | null;
  /** The state of the jobs that it would be done to. */
  readonly state: string | null;
}

/** A browser sends a bearer token only for a page that has it, so that only cookies need the proof of where a request is from. */
const isForged = (c: Context<HttpEnv>): boolean => {
  if (c.var.session === undefined && headerOf(c, 'origin') === undefined && headerOf(c, 'sec-fetch-site') === undefined)
    return false;
  try {
    assertSameOrigin(c);
    return false;
  } catch (error) {
    if (error instanceof AppError) return true;
    throw error;
  }
};

/** Why the caller may not do it, in words; null when it may. */
export const whyNot = (c: Context<HttpEnv>, rule: BoardRule, change: BoardChange | null): string | null => {
  const { actor } = c.var;
  if (actor.orgId !== null) return 'This spans organisations, and your access is bound to one';
  if (rule.role === null) return 'This is not done in Bull Board';
  if (!includesRole(actor.role, rule.role)) return `This needs the role ${rule.role}`;
  if (change === null) return null;
  if (isForged(c)) return 'This change was not asked for by a page of this console';
  if (rule.states !== undefined && !rule.states.includes(change.state ?? ''))
    return 'This is not done to jobs of this state';
  return null;
};

const short = (text: string | null): string | null => (text === null ? null : displayText(text, longest));

/**
 * Writes a change that was asked for to the audit log, before it is made: `why` says why not, null that it was allowed. Of those
 * that are refused, a bounded number an hour is written.
 */
export const noteBoardChange = async (c: Context<HttpEnv>, change: BoardChange, why: string | null): Promise<void> => {
  if (why !== null && !(await mayNoteDenied(c))) return;
  const { what, queue, job, state } = change;
  await noteChange(c, c.var.ctx.db, {
    action: 'queue.change',
    object: { type: 'queue', id: short(queue) },
    orgId: c.var.actor.orgId,
    after: {
      queue: short(queue),
      job: short(job),
      what,
      ...(state !== null && { state: short(state) }),
      allowed: why === null,
    },
    reason: why,
  });
};
