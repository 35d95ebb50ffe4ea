import type { Condition } from './alert-conditions.ts';
import { noticeId } from './notice-id.ts';
import {
  type FiringAlert,
  type Notice,
  type NoticeAction,
  type NoticeBody,
  type NoticeKind,
  routeOf,
  severityOf,
  summaryOf,
  type DeploymentEnv,
} from './notice.ts';
import { channelsFor, type Routing } from './notify-routes.ts';

const dayMs = 86_400_000;

/** Notices of one kind that an alert has led to: when the last was decided (epoch ms), and how many there were. */
export interface Told {
  readonly at: number;
  readonly count: number;
}

/** An alert that fires, as it stands in `certificate_alerts`. */
export interface AlertRow extends FiringAlert {
  readonly cycle: string;
  readonly alert: Told;
  readonly runbook: Told;
  /** Channels that were told of it, and are told when it is over. */
  readonly channels: readonly string[];
}

/** One row of the outbox: a notice for one channel. */
export interface OutboxNotice extends Notice {
  readonly cycle: string;
  readonly channel: string;
}

/** The last notice of a key about one certificate that was not given up: it holds the cooldown of what ended and comes again. */
export interface LastNotice {
  readonly alertKey: string;
  readonly kind: NoticeKind;
  readonly cycle: string;
  /** Epoch ms. */
  readonly at: number;
}

export interface AlertSubject {
  /** Of the domain, or a name of its own for what is none. */
  readonly id: string;
  readonly domain: string | null;
  readonly orgId: string | null;
}

export interface AlertLimits {
  /** Epoch ms. */
  readonly now: number;
  readonly environment: DeploymentEnv;
  readonly alertCooldownMs: number;
  readonly runbookCooldownMs: number;
  readonly routing: Routing;
}

export interface AlertDecision {
  /** Rows to write: new ones, and those that a notice was decided for. */
  readonly changed: readonly AlertRow[];
  /** Keys of the rows to remove. */
  readonly ended: readonly string[];
  readonly notices: readonly OutboxNotice[];
  /** When a reminder may be due (epoch ms); null when nothing fires. */
  readonly nextReminderAt: number | null;
  readonly alerting: boolean;
}

/** Time from the n-th notice to the next: the cooldown, doubled with each one, at most a day or the cooldown. */
export const reminderWaitMs = (cooldownMs: number, count: number): number =>
  Math.min(cooldownMs * 2 ** Math.min(Math.max(count, 1) - 1, 30), Math.max(cooldownMs, dayMs));

interface Stream {
  readonly kind: NoticeKind;
  /** Null: nobody was ever told of this certificate. */
  readonly told: Told | null;
  readonly cooldownMs: number;
  readonly channels: readonly string[];
  readonly silenced: boolean;
}

interface StreamDecision {
  readonly told: Told;
  readonly channels: readonly string[];
  readonly next: number | null;
}

/** Whether a notice of this kind is due now. Nobody to tell leaves the count alone, so that it is not taken for told. */
const decideStream = ({ kind, told, cooldownMs, channels, silenced }: Stream, now: number): StreamDecision => {
  const before = told ?? { at: now, count: 0 };
  const dueAt = told === null ? now : told.at + reminderWaitMs(cooldownMs, told.count);
  if (dueAt > now) return { told: before, channels: [], next: dueAt };
  if (channels.length === 0) return { told: before, channels: [], next: kind === 'runbook' ? null : now + cooldownMs };
  if (silenced && told !== null) return { told: before, channels: [], next: now + cooldownMs };
  const after = { at: now, count: before.count + 1 };
  return { told: after, channels, next: now + reminderWaitMs(cooldownMs, after.count) };
};

const noticeOf = (row: AlertRow, kind: NoticeKind, action: NoticeAction, channel: string, at: number): OutboxNotice => {
  const { alert: _alert, runbook: _runbook, channels: _channels, ...alert } = row;
  const { alertKey, cycle, firedAt } = row;
  const id = noticeId({ alertKey, cycle, firedAt, at, kind, action, channel });
  return { ...alert, id, kind, action, channel, createdAt: at };
};

interface Known {
  readonly row: AlertRow | undefined;
  readonly last: readonly LastNotice[];
}

/** What was told of this very certificate: by the row, or before the alert ended or spoke of another. */
const toldOf = (kind: NoticeKind, cycle: string, { row, last }: Known): Told | null => {
  if (row?.cycle === cycle) return row[kind];
  const earlier = last.find((one) => one.kind === kind && one.cycle === cycle);
  return earlier === undefined ? null : { at: earlier.at, count: 1 };
};

const decideOne = (subject: AlertSubject, condition: Condition, known: Known, limits: AlertLimits) => {
  const { now, environment, routing } = limits;
  const severity = severityOf(condition.class, environment);
  const route = routeOf(condition.class, environment);
  const { cycle, body, silenced } = condition;
  const facts = { severity, route, class: condition.class, orgId: subject.orgId, domain: subject.domain };
  const decided = (kind: NoticeKind, cooldownMs: number): StreamDecision => {
    const channels = channelsFor(routing, { ...facts, kind, action: 'fire' });
    return decideStream({ kind, told: toldOf(kind, cycle, known), cooldownMs, channels, silenced }, now);
  };
  const alert = decided('alert', limits.alertCooldownMs);
  const runbook = decided('runbook', limits.runbookCooldownMs);
  const same = known.row?.cycle === cycle ? known.row : null;
  const news = same === null || alert.channels.length > 0 || runbook.channels.length > 0;
  const row: AlertRow = {
    ...facts,
    alertKey: `${subject.id}:${condition.class}`,
    cycle,
    firedAt: same?.firedAt ?? now,
    summary: news ? summaryOf(condition.class, 'fire', body) : same.summary,
    body: news ? body : same.body,
    alert: alert.told,
    runbook: runbook.told,
    channels: [...new Set([...(known.row?.channels ?? []), ...alert.channels])],
  };
  const notices = [
    ...alert.channels.map((channel) => noticeOf(row, 'alert', 'fire', channel, now)),
    ...runbook.channels.map((channel) => noticeOf(row, 'runbook', 'fire', channel, now)),
  ];
  const nexts = [alert.next, runbook.next].filter((next) => next !== null);
  return { row, news, notices, next: Math.min(...nexts) };
};

/** The body of the last notice, brought up to what is so now. */
const resolvedBody = (row: AlertRow, current: ResolvedFacts, now: number): NoticeBody => ({
  ...row.body,
  ...current,
  timestamp: new Date(now).toISOString(),
});

/** What has changed for a domain whose alert is over. */
export interface ResolvedFacts {
  readonly status: string;
  readonly error: string | null;
}

/** The notices that tell every channel which was told of an alert that it is over. */
export const resolveNotices = (row: AlertRow, current: ResolvedFacts, now: number): OutboxNotice[] => {
  const body = resolvedBody(row, current, now);
  const over = { ...row, body, summary: summaryOf(row.class, 'resolve', body) };
  return row.channels.map((channel) => noticeOf(over, 'alert', 'resolve', channel, now));
};

/** The end of an alert that was over already when its notice reached the receiver at last. */
export const lateResolve = (
  { id: _id, kind: _kind, action: _action, channel, createdAt, ...alert }: OutboxNotice,
  current: ResolvedFacts,
  now: number,
): OutboxNotice[] => {
  const told = { at: createdAt, count: 1 };
  return resolveNotices({ ...alert, alert: told, runbook: told, channels: [channel] }, current, now);
};

/**
 * Decides what is said of a domain: first notices at once, reminders after the cooldown, an end to every channel that was
 * told. Pure; called under the domain's lock, with what stands in the database.
 *
 * @param holding what is wrong now, each class once
 * @param rows the alerts of the domain that fire
 * @param last for each key, kind and certificate the last notice
 */
export const decideAlerts = (
  subject: AlertSubject,
  holding: readonly Condition[],
  rows: readonly AlertRow[],
  last: readonly LastNotice[],
  current: ResolvedFacts,
  limits: AlertLimits,
): AlertDecision => {
  const decided = holding.map((condition) => {
    const alertKey = `${subject.id}:${condition.class}`;
    const known = {
      row: rows.find((row) => row.alertKey === alertKey),
      last: last.filter((one) => one.alertKey === alertKey),
    };
    return decideOne(subject, condition, known, limits);
  });
  const held = new Set(decided.map(({ row }) => row.alertKey));
  const over = rows.filter(({ alertKey }) => !held.has(alertKey));
  const ends = over.flatMap((row) => resolveNotices(row, current, limits.now));
  const resolving = ends.filter(({ channel }) => limits.routing.channels.get(channel)?.resolves === true);
  return {
    changed: decided.filter(({ news }) => news).map(({ row }) => row),
    ended: over.map(({ alertKey }) => alertKey),
    notices: [...resolving, ...decided.flatMap(({ notices }) => notices)],
    nextReminderAt: decided.length === 0 ? null : Math.min(...decided.map(({ next }) => next)),
    alerting: decided.length > 0,
  };
};
