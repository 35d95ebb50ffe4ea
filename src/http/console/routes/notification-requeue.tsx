import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { readNotificationStats } from '../../../db/notification-counts.ts';
import { findNotification, listNotifications, type NotificationFilter } from '../../../db/notification-reads.ts';
import { AppError } from '../../../errors.ts';
import type { HttpEnv } from '../../env.ts';
import { strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check } from '../../input.ts';
import { requeueMany } from '../../notification-acts.ts';
import { notificationFilters } from '../../notifications.ts';
import { orgOf, visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { chosenOf, idList } from '../ids.ts';
import { answerPage, seeOther } from '../page.tsx';
import { mostRequeued, RequeuePage } from '../pages/notification-requeue.tsx';
import { givenReason } from '../reason.ts';
import { filterTime, momentOf } from '../times.ts';

const sampleSize = 5;

const uuid = v.pipe(v.string(), v.uuid('must be an id'));
const time = v.optional(filterTime);
const choiceRules = {
  ...notificationFilters,
  ids: v.optional(idList),
  status: v.optional(v.picklist(['dead', 'failed'], 'must be dead or failed'), 'dead'),
  since: time,
  until: time,
};
const asked = strictQuery({ ...choiceRules, after: v.optional(uuid) });
const sent = strictQuery({
  ...choiceRules,
  after: v.optional(uuid),
  first: v.optional(v.literal('true', 'must be true')),
  expected: v.pipe(v.string(), v.regex(/^\d{1,4}$/, 'must be a number'), v.transform(Number)),
});

const given = (entries: Iterable<[string, string]>): Record<string, string> =>
  Object.fromEntries([...entries].filter(([, value]) => value !== ''));

type Choice = Omit<v.InferOutput<typeof asked>, 'after'>;

const filterOf = (c: Context<HttpEnv>, { since, until, orgId, ids, ...rest }: Choice): NotificationFilter => {
  const now = c.var.ctx.now();
  return {
    ...rest,
    orgId: orgOf(c, orgId),
    since: momentOf(since, now),
    until: momentOf(until, now),
    ...(ids !== undefined && { ids }),
  };
};

const assertChosen = (chosen: Record<string, string>): Record<string, string> => {
  if (Object.keys(chosen).length > 0) return chosen;
  throw new AppError('bad_request', 'Tick the notifications first, or take all that match');
};

const ask = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const { after, ...chosen } = assertChosen(chosenOf(c));
  const { after: firstId, ...choice } = check(asked, { ...chosen, ...(after !== undefined && { after }) });
  const filter = filterOf(c, choice);
  const [stats, { notifications: sample }, first] = await Promise.all([
    readNotificationStats(db, filter, mostRequeued + 1),
    listNotifications(db, filter, { limit: sampleSize, before: null }),
    firstId === undefined ? null : findNotification(db, firstId),
  ]);
  const matching = stats.dead + stats.failed;
  return answerPage(
    c,
    { title: `Requeue ${matching}` },
    <RequeuePage {...{ matching, sample, chosen }} first={visible(c, first)} />,
  );
};

const act = async (c: Context<HttpEnv>) => {
  const form = await readForm(c);
  const reason = givenReason(form);
  form.delete('reason');
  const fields = given(form.entries());
  const { expected, first, after: _shown, ...choice } = check(sent, fields);
  const filter = filterOf(c, choice);
  const all = { filter, reason, dryRun: false };
  if (first !== 'true' || expected === 1) {
    const { requeued, ids } = await requeueMany(c, { ...all, limit: mostRequeued, expected });
    return seeOther(c, ids.length === 1 ? `notifications/${ids[0]}` : `notifications?requeued=${requeued}`);
  }
  const { ids } = await requeueMany(c, { ...all, limit: 1, expected: 1 });
  const { expected: _n, first: _first, ...chosen } = fields;
  return seeOther(
    c,
    `notifications/some/requeue?${new URLSearchParams({ ...chosen, after: ids[0] ?? '' }).toString()}`,
  );
};

/** Delivering many dead notifications again: the question at its own address, and the act. */
export const notificationRequeuePages = () =>
  new Hono<HttpEnv>()
    .get('/console/notifications/some/requeue', page({ role: 'operator', scope: 'org' }), ask)
    .post(
      '/console/notifications/some/requeue',
      page({ role: 'operator', scope: 'org', changes: 'notification.requeue' }),
      act,
    );
