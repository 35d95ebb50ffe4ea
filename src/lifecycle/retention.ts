import { saysAll } from './fold.ts';
import { isFailure, isSuccess } from './types.ts';
import type { LedgerEvent } from './types.ts';

const dayMs = 86_400_000;
const shortestCycleMs = 15_000;
const longestCycleMs = dayMs / 2;

/** What a fold takes from an event. */
export type Facts = Pick<LedgerEvent, 'eventType' | 'occurredAt' | 'certificateRef' | 'notAfter' | 'renewalDueAt'>;

/**
 * Times (epoch ms) before which the events of a domain count for nothing any more, each for what it names; -Infinity where
 * nothing replaces it.
 */
export interface Cover {
  /** Of the last success that says all: nothing before it counts. */
  readonly all: number;
  /** Of the last success: it ends failures, errors and incidents. */
  readonly success: number;
  readonly certificateRef: number;
  /** Of the last event that gave another end than the last end given: two ends that differ outdate whatever was due before. */
  readonly notAfter: number;
  readonly renewalDueAt: number;
}

const latest = (events: readonly Facts[]): number =>
  events.reduce((time, { occurredAt }) => Math.max(time, occurredAt), Number.NEGATIVE_INFINITY);

/**
 * What applied events of one domain, all or some of them, replace of those that came before. Times that are equal do not
 * count as before: the same event sent once more has another id, which decides between equals.
 */
export const coverOf = (events: readonly Facts[]): Cover => {
  // A failure's own fields are not taken over by the fold.
  const telling = events.filter(({ eventType }) => !isFailure(eventType));
  const ends = telling.filter(({ notAfter }) => notAfter !== null);
  const last = ends.toSorted((a, b) => a.occurredAt - b.occurredAt).at(-1);
  return {
    all: latest(events.filter(saysAll)),
    success: latest(events.filter(({ eventType }) => isSuccess(eventType))),
    certificateRef: latest(telling.filter(({ certificateRef }) => certificateRef !== null)),
    notAfter: latest(ends.filter(({ notAfter }) => notAfter !== last?.notAfter)),
    renewalDueAt: latest(telling.filter(({ renewalDueAt }) => renewalDueAt !== null)),
  };
};

/**
 * Whether an applied event can be forgotten: whatever else there is or will be of the domain, a fold gives the same state and
 * the same open incidents with it, without it, and with its like sent once more. What covers an event is covered itself only
 * by what covers both, so that events may go in any order.
 */
export const isCovered = (event: Facts, cover: Cover): boolean => {
  const { eventType, occurredAt: at, certificateRef, notAfter, renewalDueAt } = event;
  if (at < cover.all) return true;
  if (at >= cover.success) return false;
  if (isFailure(eventType)) return true;
  return (
    (certificateRef === null || at < cover.certificateRef) &&
    (notAfter === null || at < cover.notAfter) &&
    (renewalDueAt === null || at < cover.renewalDueAt)
  );
};

/** What retention goes through, by the names that metrics and docs know it by. */
export type RetentionName =
  | 'events'
  | 'noted_events'
  | 'identities'
  | 'notifications'
  | 'observations'
  | 'incidents'
  | 'replays'
  | 'sessions'
  | 'access_attempts';

/** The ages that are configured, in days; 0 keeps for ever. */
export interface RetentionSettings {
  readonly CERT_RETENTION_EVENTS_DAYS: number;
  readonly CERT_RETENTION_IDENTITIES_DAYS: number;
  readonly CERT_RETENTION_NOTIFICATIONS_DAYS: number;
  readonly CERT_RETENTION_OBSERVATIONS_DAYS: number;
  readonly CERT_RETENTION_INCIDENTS_DAYS: number;
  readonly CERT_RETENTION_REPLAYS_DAYS: number;
  readonly CERT_ALERT_COOLDOWN_SECONDS: number;
  readonly CERT_RUNBOOK_COOLDOWN_SECONDS: number;
}

/** Days after which each table's rows are old; what is kept for ever is left out. */
export const retentionDays = (settings: RetentionSettings): ReadonlyMap<RetentionName, number> => {
  const cooldownSeconds = Math.max(settings.CERT_ALERT_COOLDOWN_SECONDS, settings.CERT_RUNBOOK_COOLDOWN_SECONDS);
  const notifications = settings.CERT_RETENTION_NOTIFICATIONS_DAYS;
  const ages: [RetentionName, number][] = [
    ['events', settings.CERT_RETENTION_EVENTS_DAYS],
    ['noted_events', settings.CERT_RETENTION_EVENTS_DAYS],
    ['identities', settings.CERT_RETENTION_IDENTITIES_DAYS],
    // The last notice of an alert holds the next one back while its cooldown lasts.
    ['notifications', notifications === 0 ? 0 : Math.max(notifications, (1000 * cooldownSeconds) / dayMs)],
    ['observations', settings.CERT_RETENTION_OBSERVATIONS_DAYS],
    ['incidents', settings.CERT_RETENTION_INCIDENTS_DAYS],
    ['replays', settings.CERT_RETENTION_REPLAYS_DAYS],
    ['sessions', 7],
    ['access_attempts', 1],
  ];
  return new Map(ages.filter(([, days]) => days > 0));
};

// An index holds what is to go, the oldest first: to look whether there is something costs nothing.
const inOrder: ReadonlySet<RetentionName> = new Set(['noted_events', 'identities', 'sessions']);

/**
 * How long a table is left alone after it was gone through: a twenty-fourth of its age, at most half a day; hardly at all
 * where it need not be gone through.
 */
export const cycleMs = (name: RetentionName, days: number): number =>
  inOrder.has(name) ? shortestCycleMs : Math.min(longestCycleMs, Math.max(shortestCycleMs, (days * dayMs) / 24));
