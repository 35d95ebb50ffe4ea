import { raiseFor, type IncidentDraft, type IncidentOp, mergeDrafts } from './incidents.ts';
import { InvalidEventError } from './invalid-event.ts';
import { isFailure, isSuccess } from './types.ts';
import type { EventOutcome, EventType, LedgerEvent } from './types.ts';

/** What the events of a domain have said so far. All that stands in `custom_domains` follows from it and the domain's settings. */
export interface CertState {
  readonly lastEventId: string | null;
  readonly lastEventType: EventType | null;
  readonly lastEventAt: number | null;
  readonly certificateRef: string | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  readonly renewalDueAt: number | null;
  /** False once a success brought another certificate without saying when to renew it: `renewalDueAt` is then the old one's. */
  readonly dueCurrent: boolean;
  readonly lastSuccessAt: number | null;
  readonly error: string | null;
  readonly failureCount: number;
  readonly lastFailureAt: number | null;
}

export const emptyState: CertState = {
  lastEventId: null,
  lastEventType: null,
  lastEventAt: null,
  certificateRef: null,
  notBefore: null,
  notAfter: null,
  renewalDueAt: null,
  dueCurrent: false,
  lastSuccessAt: null,
  error: null,
  failureCount: 0,
  lastFailureAt: null,
};

type Key = { readonly occurredAt: number; readonly id: string };

/** The one order of a domain's events: (occurredAt, id). */
export const compareEvents = (a: Key, b: Key): number =>
  a.occurredAt - b.occurredAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** True when the state already reflects this event or a later one: then only the ledger can tell what it changes. */
export const isLate = (state: CertState, event: Key): boolean =>
  state.lastEventAt !== null &&
  state.lastEventId !== null &&
  compareEvents(event, { occurredAt: state.lastEventAt, id: state.lastEventId }) <= 0;

const defaultReason = (type: EventType): string =>
  type === 'issuance_failed' ? 'certificate issuance failure' : 'certificate renewal failure';

/** A certificate's validity is replaced as a pair, so that a lifetime is never made of two certificates. */
const given = (
  state: CertState,
  event: LedgerEvent,
): Pick<CertState, 'certificateRef' | 'notBefore' | 'notAfter' | 'renewalDueAt' | 'dueCurrent'> => ({
  certificateRef: event.certificateRef ?? state.certificateRef,
  notBefore: event.notAfter === null ? state.notBefore : event.notBefore,
  notAfter: event.notAfter ?? state.notAfter,
  renewalDueAt: event.renewalDueAt ?? state.renewalDueAt,
  dueCurrent:
    event.renewalDueAt !== null || (state.dueCurrent && (event.notAfter ?? state.notAfter) === state.notAfter),
});

/** The next state after an event that is later than all the state reflects (contract 2). */
export const step = (state: CertState, event: LedgerEvent): CertState => {
  const seen = { lastEventId: event.id, lastEventType: event.eventType, lastEventAt: event.occurredAt };
  if (isFailure(event.eventType)) {
    return {
      ...state,
      ...seen,
      error: event.reason ?? defaultReason(event.eventType),
      failureCount: state.failureCount + 1,
      lastFailureAt: event.occurredAt,
    };
  }
  if (isSuccess(event.eventType)) {
    const success = { lastSuccessAt: event.occurredAt, error: null, failureCount: 0, lastFailureAt: null };
    return { ...state, ...seen, ...given(state, event), ...success };
  }
  if (event.eventType === 'certificate_expiring') return { ...state, ...seen, ...given(state, event) };
  throw new InvalidEventError('The event type is not one that this version knows');
};

/** True for a success after which nothing that came before it matters any more: a fold may begin there. */
export const saysAll = ({
  eventType,
  certificateRef,
  notAfter,
  renewalDueAt,
}: Pick<LedgerEvent, 'eventType' | 'certificateRef' | 'notAfter' | 'renewalDueAt'>): boolean =>
  isSuccess(eventType) && certificateRef !== null && notAfter !== null && renewalDueAt !== null;

export type OpenIncidents = ReadonlyMap<IncidentDraft['type'], IncidentDraft>;

/** Each event once, in the one order. */
const inOrder = (events: Iterable<LedgerEvent>): LedgerEvent[] => {
  const byId = new Map<string, LedgerEvent>();
  for (const event of events) byId.set(event.id, event);
  return [...byId.values()].sort(compareEvents);
};

/** State and open incidents after all events of a domain, given in any order and with any repeats. */
export const foldHistory = (events: Iterable<LedgerEvent>): { state: CertState; open: OpenIncidents } => {
  let state = emptyState;
  const open = new Map<IncidentDraft['type'], IncidentDraft>();
  for (const event of inOrder(events)) {
    state = step(state, event);
    const raised = raiseFor(event);
    if (raised === null) open.clear();
    else {
      const before = open.get(raised.type);
      open.set(raised.type, before ? mergeDrafts(before, raised) : raised);
    }
  }
  return { state, open };
};

export interface FoldResult {
  readonly state: CertState;
  readonly outcomes: ReadonlyMap<string, EventOutcome>;
  readonly incidents: readonly IncidentOp[];
}

/** The first event of each incident that is open after these events. */
const runStarts = (history: readonly LedgerEvent[]): Map<IncidentDraft['type'], LedgerEvent> => {
  const starts = new Map<IncidentDraft['type'], LedgerEvent>();
  for (const event of inOrder(history)) {
    if (isSuccess(event.eventType)) starts.clear();
    else if (!starts.has(event.eventType)) starts.set(event.eventType, event);
  }
  return starts;
};

/**
 * What events that came too late change about incidents. A late success ends the incidents that began before it; what the
 * full fold shows as still open behind it is raised anew, so that it carries no tier or reason from before the success.
 */
const lateIncidents = (
  late: readonly LedgerEvent[],
  history: readonly LedgerEvent[],
  open: OpenIncidents,
): IncidentOp[] => {
  const known = new Set(history.map((event) => event.id));
  const starts = runStarts(history);
  const changed = new Set<IncidentDraft['type']>();
  const ops: IncidentOp[] = [];
  for (const event of late.filter(({ id }) => !known.has(id))) {
    if (isSuccess(event.eventType)) {
      const except = new Set(open.keys());
      for (const [type, first] of starts) {
        if (compareEvents(event, first) < 0) except.add(type);
        else {
          except.delete(type);
          starts.delete(type);
          changed.add(type);
        }
      }
      ops.push({ kind: 'resolve', byEventId: event.id, except: [...except] });
    } else if (open.get(event.eventType)?.eventIds.has(event.id)) changed.add(event.eventType);
  }
  for (const type of changed) {
    const draft = open.get(type);
    if (draft !== undefined) ops.push({ kind: 'raise', draft });
  }
  return ops;
};

/**
 * Folds new events of one domain into its state, whatever order they come in.
 *
 * @param history the domain's applied events from the ledger; asked for only when {@link isLate} holds for one of `fresh`.
 * @returns the state a full fold in order would give, each new event's outcome, and what changes about incidents.
 */
export const fold = (
  state: CertState,
  fresh: readonly LedgerEvent[],
  history: readonly LedgerEvent[] = [],
): FoldResult => {
  const sorted = inOrder(fresh);
  const late = sorted.filter((event) => isLate(state, event));
  const outcomes = new Map<string, EventOutcome>();
  const incidents: IncidentOp[] = [];
  let next = state;
  if (late.length > 0) {
    const settled = foldHistory([...history, ...late]);
    next = settled.state;
    for (const event of late) outcomes.set(event.id, 'superseded');
    incidents.push(...lateIncidents(late, history, settled.open));
  }
  for (const event of sorted.slice(late.length)) {
    next = step(next, event);
    outcomes.set(event.id, 'applied');
    const raised = raiseFor(event);
    incidents.push(
      raised === null ? { kind: 'resolve', byEventId: event.id, except: [] } : { kind: 'raise', draft: raised },
    );
  }
  return { state: next, outcomes, incidents };
};
