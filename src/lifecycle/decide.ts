import { eventRetrySeconds } from './backoff.ts';
import { canonicalJson } from './canonical-json.ts';
import { compareEvents, emptyState, fold, isLate, type CertState } from './fold.ts';
import { type CurrentIncident, type IncidentOp, type IncidentWrite, settleIncidents } from './incidents.ts';
import { InvalidEventError } from './invalid-event.ts';
import { type DomainClocks, type Schedule, scheduleAfter, type ScheduleLimits } from './schedule.ts';
import type { Truth } from './status.ts';
import type { ErrorClass, EventOutcome, LedgerEvent } from './types.ts';
import { type DomainView, type RenewalWindow, viewOf } from './view.ts';

/** A registered domain as the apply transaction has locked it. */
export interface LockedDomain extends Truth {
  readonly id: string;
  readonly domain: string;
  readonly orgId: string | null;
  readonly window: RenewalWindow | null;
  readonly clocks: DomainClocks;
}

/** An event that waits to be applied. */
export interface PendingEvent extends LedgerEvent {
  readonly domain: string;
  readonly retryCount: number;
  readonly generation: number;
  /** Epoch ms when it was received. */
  readonly receivedAt: number;
}

export interface Limits extends ScheduleLimits {
  readonly maxRetries: number;
  readonly baseBackoffSeconds: number;
}

export interface FailedTry {
  readonly event: PendingEvent;
  readonly errorClass: ErrorClass;
  readonly error: string;
  readonly tries: number;
  /** Epoch ms of the next try; null when it was the last. */
  readonly nextRetryAt: number | null;
}

export interface AppliedEvent {
  readonly event: PendingEvent;
  readonly outcome: EventOutcome;
  readonly domain: LockedDomain;
}

export interface DomainWrite {
  readonly domain: LockedDomain;
  readonly state: CertState;
  readonly view: DomainView;
  readonly schedule: Schedule;
  readonly incidents: readonly IncidentWrite[];
}

export interface Decision {
  readonly domains: readonly DomainWrite[];
  readonly applied: readonly AppliedEvent[];
  readonly failed: readonly FailedTry[];
}

/** What a failed try leads to (contract 2): another after the backoff, or the dead-letter set; at once where no try can help. */
export const failTry = (event: PendingEvent, errorClass: ErrorClass, error: string, limits: Limits): FailedTry => {
  const tries = event.retryCount + 1;
  const last = errorClass === 'invalid' || tries >= limits.maxRetries;
  const nextRetryAt = last ? null : limits.now + 1000 * eventRetrySeconds(tries, limits.baseBackoffSeconds);
  return { event, errorClass, error: error.slice(0, 2000), tries, nextRetryAt };
};

/** A domain whose history the fold needs, because some of its events came late. */
export interface Refold extends Pick<LockedDomain, 'id' | 'domain'> {
  /** The latest event that the state reflects. */
  readonly lastEventId: string;
  /** The first of the late ones, in the order of the fold. */
  readonly first: Pick<LedgerEvent, 'id' | 'occurredAt'>;
}

export const domainsToRefold = (domains: readonly LockedDomain[], events: readonly PendingEvent[]): Refold[] => {
  const byName = groupByDomain(events);
  return domains.flatMap(({ id, domain, state }) => {
    const [first] = (byName.get(domain) ?? []).filter((event) => isLate(state, event)).toSorted(compareEvents);
    return first === undefined || state.lastEventId === null
      ? []
      : [{ id, domain, lastEventId: state.lastEventId, first }];
  });
};

const groupByDomain = (events: readonly PendingEvent[]): Map<string, PendingEvent[]> => {
  const groups = new Map<string, PendingEvent[]>();
  for (const event of events) {
    const group = groups.get(event.domain);
    if (group === undefined) groups.set(event.domain, [event]);
    else group.push(event);
  }
  return groups;
};

interface DomainOutcome {
  readonly state: CertState;
  readonly outcomes: ReadonlyMap<string, EventOutcome>;
  readonly incidents: readonly IncidentOp[];
  readonly failed: readonly FailedTry[];
}

/** Folds a domain's events; one that cannot be folded fails alone and the others go on without it. */
const foldDomain = (
  state: CertState,
  events: readonly PendingEvent[],
  history: readonly LedgerEvent[],
  limits: Limits,
): DomainOutcome => {
  try {
    return { ...fold(state, events, history), failed: [] };
  } catch (error) {
    const failed: FailedTry[] = [];
    const sound: PendingEvent[] = [];
    for (const event of events) {
      const fault = unfoldable(event);
      if (fault === null) sound.push(event);
      else failed.push(failTry(event, 'invalid', fault, limits));
    }
    if (failed.length === 0) throw error;
    return { ...fold(state, sound, history), failed };
  }
};

const unfoldable = (event: LedgerEvent): string | null => {
  try {
    fold(emptyState, [event]);
    return null;
  } catch (error) {
    if (error instanceof InvalidEventError) return error.message;
    throw error;
  }
};

/** Nothing new: the clocks stay. Only a status that the clock had changed, and that is worked out anew here, is settled at once. */
const kept = (clocks: DomainClocks, { tlsStatus }: DomainView, now: number): Schedule =>
  tlsStatus === clocks.tlsStatus ? clocks : { ...clocks, lookDueAt: now };

/**
 * Decides what applying these events does. Pure: the transaction loads, this decides, the transaction saves.
 *
 * @param history applied events per domain id, for the domains named by {@link domainsToRefold}: all of them, or those from a
 * success on that came before the first late event and says all there is to say (see {@link saysAll})
 * @param incidents open and acknowledged incidents per domain name
 */
export const decide = (
  domains: readonly LockedDomain[],
  events: readonly PendingEvent[],
  history: ReadonlyMap<string, readonly LedgerEvent[]>,
  incidents: ReadonlyMap<string, readonly CurrentIncident[]>,
  limits: Limits,
): Decision => {
  const byName = groupByDomain(events);
  const writes: DomainWrite[] = [];
  const applied: AppliedEvent[] = [];
  const failed: FailedTry[] = [];
  for (const domain of domains) {
    const fresh = byName.get(domain.domain) ?? [];
    byName.delete(domain.domain);
    const result = foldDomain(domain.state, fresh, history.get(domain.id) ?? [], limits);
    failed.push(...result.failed);
    const done: AppliedEvent[] = [];
    for (const event of fresh) {
      const outcome = result.outcomes.get(event.id);
      if (outcome !== undefined) done.push({ event, outcome, domain });
    }
    applied.push(...done);
    const truth: Truth = { settings: domain.settings, state: result.state, served: domain.served };
    const view = viewOf(truth, domain.window, limits.now, limits.warnDays);
    const news = done.filter(({ outcome }) => outcome === 'applied').map(({ event }) => event);
    const same = news.length === 0 && canonicalJson(result.state) === canonicalJson(domain.state);
    writes.push({
      domain,
      state: result.state,
      view,
      schedule: same ? kept(domain.clocks, view, limits.now) : scheduleAfter(domain.clocks, news, truth, view, limits),
      incidents: settleIncidents(incidents.get(domain.domain) ?? [], result.incidents),
    });
  }
  for (const event of [...byName.values()].flat())
    failed.push(failTry(event, 'unresolved', 'The domain is not registered', limits));
  return { domains: writes, applied, failed };
};
