import type { Context } from 'hono';
import {
  type NotificationFilter,
  type NotificationRow,
  requeueNotification,
  requeueNotifications,
  stuckNotifications,
} from '../db/notification-reads.ts';
import type { NotificationStatus } from '../db/schema-served.ts';
import { AppError } from '../errors.ts';
import { audited } from './audited.ts';
import type { HttpEnv } from './env.ts';
import { orgOf, sees } from './scope.ts';

/** What is told of an id that no notification has, or none that the caller may see. */
export const missingNotification = (): AppError => new AppError('not_found', 'There is no notification with this id');
const refused = (status: NotificationStatus): AppError =>
  new AppError(
    'conflict',
    status === 'sent' ? 'The notification is sent already' : 'The notification waits to be sent already',
  );

/** Has one notification delivered again. @throws AppError `not_found`; `conflict` when it is sent or waits already. */
export const requeue = async (
  c: Context<HttpEnv>,
  { id, reason = null }: { readonly id: string; readonly reason?: string | null },
): Promise<NotificationRow> => {
  const { ctx } = c.var;
  const notification = await audited(c, async (db) => {
    const result = await requeueNotification(db, id, ctx.now());
    if (result.kind === 'missing') throw missingNotification();
    if (!sees(c, result.kind === 'refused' ? result : result.notification)) throw missingNotification();
    if (result.kind === 'refused') throw refused(result.status);
    const { status, channel, domain, org_id: orgId } = result.notification;
    const object = { type: 'notification', id };
    const after = { status, channel, domain };
    return [result.notification, { action: 'notification.requeue', object, orgId, before: result.from, after, reason }];
  });
  ctx.queues.kickDelivery([notification.channel]);
  return notification;
};

/** Which notifications to deliver again: dead or failed ones that the filter lets through, the oldest first. */
export interface BulkRequeue {
  readonly filter: NotificationFilter;
  /** From 1 to 1000. */
  readonly limit: number;
  /** Changes nothing, only finds them. */
  readonly dryRun: boolean;
  readonly reason?: string | null;
  /** How many whoever asks was told of: with another number nothing is changed. */
  readonly expected?: number | undefined;
}

const assertExpected = (found: number, expected: number | undefined): void => {
  if (expected === undefined || found === expected) return;
  throw new AppError('conflict', `${found} notifications match now, not ${expected}: nothing was changed`);
};

/**
 * Has many notifications delivered again; `attempted` were found, `requeued` are pending now.
 *
 * @throws AppError `conflict` when they are not as many as expected.
 */
export const requeueMany = async (
  c: Context<HttpEnv>,
  { filter: asked, limit, dryRun, reason = null, expected }: BulkRequeue,
) => {
  const { ctx } = c.var;
  const filter = { ...asked, orgId: orgOf(c, asked.orgId) };
  const { ids, requeued } = await audited(c, async (db) => {
    const found = (await stuckNotifications(db, filter, limit)).map(({ id }) => id);
    assertExpected(found.length, expected);
    const done = dryRun ? [] : await requeueNotifications(db, found, ctx.now());
    const [only] = found;
    const object = { type: 'notification', id: found.length === 1 && only !== undefined ? only : null };
    const after = { requeued: done.length, filter, limit };
    const change = { action: 'notification.requeue', object, orgId: filter.orgId ?? null, after, reason } as const;
    return [{ ids: found, requeued: done }, done.length === 0 ? null : change];
  });
  if (requeued.length > 0) ctx.queues.kickDelivery([...new Set(requeued.map(({ channel }) => channel))]);
  return { dryRun, attempted: ids.length, requeued: requeued.length, ids };
};
