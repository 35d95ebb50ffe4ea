import { createHash } from 'node:crypto';
import type { Condition } from './alert-conditions.ts';
import { senderName } from './attention.ts';
import { displayText } from './display-text.ts';
import { type DeploymentEnv, type NoticeBody, routeOf, severityOf } from './notice.ts';
import type { OwnClass } from './own-words.ts';
import type { PolicyEscalation } from './policy-report.ts';
import { type ErrorSpike, loopReplays, type ReplayLoops, type SilentSource, spikeMinutes } from './self-watch.ts';

/** Something that is wrong with our own work, and what it is known by: `subject` and class make the alert's key. */
export interface OwnCondition extends Omit<Condition, 'cycle' | 'silenced'> {
  readonly class: OwnClass;
  readonly subject: string;
}

export interface OwnLimits {
  /** Epoch ms. */
  readonly now: number;
  readonly environment: DeploymentEnv;
}

type Facts = Readonly<Record<string, string | number | null>>;

interface Told {
  readonly class: OwnClass;
  readonly type: string;
  readonly about: string;
  readonly error: string | null;
  readonly facts: Facts;
}

const time = (epochMs: number): string => new Date(epochMs).toISOString();

/** The body of a notice that names no domain: the keys of every alert that it has, then its own. */
const bodyOf = (
  { class: noticeClass, type, about, error, facts }: Told,
  { now, environment }: OwnLimits,
): NoticeBody => ({
  source: 'worker-certificates',
  type,
  severity: severityOf(noticeClass, environment),
  incidentRoute: routeOf(noticeClass, environment),
  domainId: null,
  domain: null,
  status: 'open',
  error,
  timestamp: time(now),
  subject: displayText(about, 200),
  ...facts,
  environment,
});

/** A name of bounded length and plain letters for whatever a sender calls itself. */
const keyOf = (...parts: readonly (string | null)[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

/** Dead letters of one cause that the policy will not replay; one matter for each fingerprint and class. */
export const deadLettersCondition = (group: PolicyEscalation, limits: OwnLimits): OwnCondition => {
  const noticeClass = group.class === 'exhausted' ? 'dead_letters_exhausted' : 'dead_letters';
  const pattern = displayText(group.pattern, 500);
  const facts = {
    fingerprint: group.fingerprint,
    errorClass: group.errorClass,
    escalationClass: group.class,
    reason: group.reason,
    events: group.events,
    since: time(group.since),
  };
  const told = { class: noticeClass, type: 'certificate.dead_letter', about: pattern, error: pattern, facts } as const;
  return {
    class: noticeClass,
    subject: `dead-letters-${group.fingerprint}-${group.class}`,
    body: bodyOf(told, limits),
  };
};

export const silentCondition = (one: SilentSource, limits: OwnLimits): OwnCondition => {
  const facts = {
    reportedBy: displayText(one.source, 80),
    clusterId: one.clusterId === null ? null : displayText(one.clusterId, 120),
    since: time(one.since),
    expectedIntervalSeconds: Math.round(one.expectedIntervalMs / 1000),
    silentSeconds: Math.round((limits.now - one.since) / 1000),
  };
  const told = {
    class: 'source_silent',
    type: 'certificate.source_silent',
    about: senderName(one),
    error: null,
    facts,
  } as const;
  return {
    class: 'source_silent',
    subject: `source-${keyOf(one.source, one.clusterId)}`,
    body: bodyOf(told, limits),
  };
};

export const spikeCondition = ({ errorClass, recent, usual }: ErrorSpike, limits: OwnLimits): OwnCondition => {
  const facts = { errorClass, failedTries: recent, usual: Math.round(usual * 10) / 10, minutes: spikeMinutes };
  const told = {
    class: 'error_spike',
    type: 'certificate.error_spike',
    about: errorClass,
    error: null,
    facts,
  } as const;
  return { class: 'error_spike', subject: `failed-tries-${errorClass}`, body: bodyOf(told, limits) };
};

/** All events that go round in circles are one matter. */
export const loopConditions = ({ events, since }: ReplayLoops, limits: OwnLimits): OwnCondition[] => {
  if (events === 0) return [];
  const facts = { events, replays: loopReplays, since: since === null ? null : time(since) };
  const told = { class: 'replay_loop', type: 'certificate.replay_loop', about: 'replays', error: null, facts } as const;
  return [{ class: 'replay_loop', subject: 'replays', body: bodyOf(told, limits) }];
};
