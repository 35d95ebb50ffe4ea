import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases, deliveries, deliveryOf, ledgerEvent, ledgerEvents } from '../../test/support/properties.ts';
import { compareEvents, emptyState, fold, foldHistory, isLate, saysAll, step, type CertState } from './fold.ts';
import { type CurrentIncident, settleIncidents } from './incidents.ts';
import { neverServed } from './status.ts';
import { eventOutcomes, failurePolicies, isFailure, isSuccess, tlsModes } from './types.ts';
import type { EventOutcome, LedgerEvent } from './types.ts';
import { viewOf } from './view.ts';

/** The history that is left when it may begin at any success that says all and came before the first late event. */
const cuts = (history: readonly LedgerEvent[], late: readonly LedgerEvent[]): LedgerEvent[][] => {
  const [first] = late.toSorted(compareEvents);
  return history
    .filter((event) => saysAll(event) && first !== undefined && compareEvents(event, first) < 0)
    .map((base) => history.filter((event) => compareEvents(event, base) >= 0));
};

type Row = CurrentIncident & { readonly eventId: string | null };

/** What the apply processor keeps in its database, for one domain. */
class Ledger {
  state: CertState = emptyState;
  readonly applied = new Map<string, LedgerEvent>();
  readonly outcomes = new Map<string, EventOutcome>();
  rows: Row[] = [];
  readonly #guarded: boolean;

  constructor(guarded = true) {
    this.#guarded = guarded;
  }

  apply(batch: readonly LedgerEvent[]): void {
    const fresh = this.#guarded ? batch.filter((event) => !this.applied.has(event.id)) : batch;
    const late = fresh.filter((event) => isLate(this.state, event));
    const history = late.length > 0 ? [...this.applied.values()] : [];
    const result = fold(this.state, fresh, history);
    if (cuts(history, late).some((cut) => !isDeepStrictEqual(fold(this.state, fresh, cut), result)))
      throw new Error('A history that begins at a success that says all gives another result');
    this.state = result.state;
    for (const event of fresh) this.applied.set(event.id, event);
    for (const [id, outcome] of result.outcomes) this.outcomes.set(id, outcome);
    this.#save(settleIncidents(this.live, result.incidents));
  }

  get live(): Row[] {
    return this.rows.filter((row) => row.status !== 'resolved');
  }

  /** What is open, by type: the part that every order of arrival must agree on. */
  get open(): Record<string, unknown> {
    return Object.fromEntries(
      this.live
        .map(({ type, tier, reason, context, eventId }) => [type, { tier, reason, context, eventId }] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  // In the order given, as statements would run: at no moment may two incidents of one type be live.
  #save(writes: ReturnType<typeof settleIncidents>): void {
    for (const write of writes) {
      const old = this.rows.find((row) => row.id === write.id);
      const row = { ...write, id: write.id ?? `i${this.rows.length}`, eventId: write.eventId ?? old?.eventId ?? null };
      this.rows = old === undefined ? [...this.rows, row] : this.rows.map((one) => (one === old ? row : one));
      const types = this.live.map(({ type }) => type);
      if (new Set(types).size < types.length) throw new Error('Two incidents of one type are live');
    }
  }
}

const arrive = (batches: readonly (readonly LedgerEvent[])[], guarded = true): Ledger => {
  const ledger = new Ledger(guarded);
  for (const batch of batches) ledger.apply(batch);
  return ledger;
};

/** The state as the contract's table words it, asked of the whole set at once and not step by step. */
const reference = (events: readonly LedgerEvent[]): CertState => {
  const sorted = events.toSorted((a, b) => a.occurredAt - b.occurredAt || (a.id < b.id ? -1 : 1));
  const last = sorted.at(-1);
  const saying = sorted.filter(({ eventType }) => !isFailure(eventType));
  const lastSuccess = sorted.findLastIndex(({ eventType }) => isSuccess(eventType));
  const failures = sorted.slice(lastSuccess + 1).filter(({ eventType }) => isFailure(eventType));
  const failure = failures.at(-1);
  const dated = saying.findLast(({ notAfter }) => notAfter !== null);
  const due = saying.findLastIndex(({ renewalDueAt }) => renewalDueAt !== null);
  const until = saying.slice(0, due + 1).findLast(({ notAfter }) => notAfter !== null)?.notAfter ?? null;
  const fallback =
    failure?.eventType === 'issuance_failed' ? 'certificate issuance failure' : 'certificate renewal failure';
  return {
    lastEventId: last?.id ?? null,
    lastEventType: last?.eventType ?? null,
    lastEventAt: last?.occurredAt ?? null,
    certificateRef: saying.findLast(({ certificateRef }) => certificateRef !== null)?.certificateRef ?? null,
    notBefore: dated?.notBefore ?? null,
    notAfter: dated?.notAfter ?? null,
    renewalDueAt: saying.findLast(({ renewalDueAt }) => renewalDueAt !== null)?.renewalDueAt ?? null,
    dueCurrent: due >= 0 && saying.slice(due + 1).every(({ notAfter }) => notAfter === null || notAfter === until),
    lastSuccessAt: sorted[lastSuccess]?.occurredAt ?? null,
    error: failure === undefined ? null : (failure.reason ?? fallback),
    failureCount: failures.length,
    lastFailureAt: failure?.occurredAt ?? null,
  };
};

describe('events in any order', () => {
  it('P1: every order, repetition and cut of one set gives the same state and the same open incidents', () => {
    fc.assert(
      fc.property(deliveries(2), fc.boolean(), ({ events, ways }, guarded) => {
        const inOrder = arrive([events.toSorted(compareEvents)]);
        for (const way of ways) {
          const other = arrive(way, guarded);
          expect(other.state).toEqual(inOrder.state);
          expect(other.open).toEqual(inOrder.open);
        }
      }),
      cases(),
    );
  });

  it('P1: is the state that the contract describes, and its open incidents', () => {
    fc.assert(
      fc.property(deliveries(1), ({ events, ways: [way = []] }) => {
        const ledger = arrive(way);
        expect(ledger.state).toEqual(reference(events));
        const lastSuccess = events
          .filter((event) => isSuccess(event.eventType))
          .toSorted(compareEvents)
          .at(-1);
        const after = events.filter((event) => lastSuccess === undefined || compareEvents(event, lastSuccess) > 0);
        expect(Object.keys(ledger.open).toSorted()).toEqual(
          [...new Set(after.filter((event) => !isSuccess(event.eventType)).map((event) => event.eventType))].toSorted(),
        );
      }),
      cases(),
    );
  });

  it('P2: an event that was folded changes nothing when it comes again', () => {
    fc.assert(
      fc.property(deliveries(1), ({ events, ways: [way = []] }) => {
        const ledger = arrive(way);
        for (const event of events) {
          const again = fold(ledger.state, [event], events);
          expect(again.state).toEqual(ledger.state);
          const writes = settleIncidents(ledger.live, again.incidents);
          expect(writes).toEqual([]);
        }
        const twice = fold(emptyState, [...events, ...events]);
        expect(twice.state).toEqual(fold(emptyState, events).state);
      }),
      cases(),
    );
  });

  it('P3: one by one, in one batch, and recomputed from the ledger are the same', () => {
    fc.assert(
      fc.property(ledgerEvents(), (events) => {
        const history = foldHistory(events);
        expect(events.toSorted(compareEvents).reduce(step, emptyState)).toEqual(history.state);
        expect(fold(emptyState, events).state).toEqual(history.state);
        expect(arrive(events.map((event) => [event])).state).toEqual(history.state);
        const open = arrive(events.map((event) => [event])).open;
        for (const [type, draft] of history.open) {
          const { tier, reason, context, eventId } = draft;
          expect(open[type]).toEqual({ tier, reason, context, eventId });
        }
        expect(Object.keys(open)).toHaveLength(history.open.size);
      }),
      cases(),
    );
  });
});

describe('failure counters', () => {
  it('P4: are never negative, and only a success sets them back, to nothing', () => {
    fc.assert(
      fc.property(ledgerEvents(), (events) => {
        let state = emptyState;
        for (const event of events.toSorted(compareEvents)) {
          const next = fold(state, [event]).state;
          const { error, lastFailureAt } = state;
          const kept = { failureCount: state.failureCount, error, lastFailureAt };
          const counted = { failureCount: kept.failureCount + 1, lastFailureAt: event.occurredAt };
          const settled = isSuccess(event.eventType) ? { failureCount: 0, error: null, lastFailureAt: null } : kept;
          expect(next).toMatchObject(isFailure(event.eventType) ? counted : settled);
          state = next;
        }
      }),
      cases(),
    );
  });

  it('P4: hold over any order of arrival', () => {
    fc.assert(
      fc.property(deliveries(1), ({ ways: [way = []] }) => {
        const ledger = new Ledger();
        for (const batch of way) {
          const before = ledger.state.failureCount;
          const known = ledger.applied.size;
          ledger.apply(batch);
          const { failureCount } = ledger.state;
          expect(failureCount).toBeGreaterThanOrEqual(0);
          const fresh = [...ledger.applied.values()].slice(known);
          expect(failureCount >= before || fresh.some((event) => isSuccess(event.eventType))).toBe(true);
        }
      }),
      cases(),
    );
  });
});

const lateAndHistory = fc
  .tuple(ledgerEvents(8), ledgerEvent('f'))
  .filter(([events, late]) => events.some((event) => compareEvents(late, event) < 0));

describe('events that come late', () => {
  it('P5: a stale success clears neither the error nor the failures that came after it', () => {
    fc.assert(
      fc.property(lateAndHistory, ([events, event]) => {
        const late: LedgerEvent = { ...event, eventType: 'renewal_succeeded' };
        const later = events.filter((one) => compareEvents(one, late) > 0);
        const failures = later.filter((one) => isFailure(one.eventType));
        fc.pre(failures.length > 0 && !later.some((one) => isSuccess(one.eventType)));
        const ledger = arrive([events]);
        const before = ledger.state;
        ledger.apply([late]);
        expect(ledger.state.failureCount).toBe(failures.length);
        for (const field of ['error', 'lastFailureAt', 'lastEventId', 'lastEventType', 'lastEventAt'] as const) {
          expect(ledger.state[field]).toEqual(before[field]);
        }
        for (const failure of failures) expect(Object.keys(ledger.open)).toContain(failure.eventType);
      }),
      cases(),
    );
  });

  it('P5: a stale failure overrides nothing once a later success is known', () => {
    fc.assert(
      fc.property(
        lateAndHistory,
        fc.constantFrom('issuance_failed' as const, 'renewal_failed' as const),
        ([events, event], type) => {
          const late: LedgerEvent = { ...event, eventType: type };
          fc.pre(events.some((one) => isSuccess(one.eventType) && compareEvents(one, late) > 0));
          const ledger = arrive([events]);
          const [state, rows] = [ledger.state, ledger.rows];
          ledger.apply([late]);
          expect(ledger.state).toEqual(state);
          expect(ledger.rows).toEqual(rows);
        },
      ),
      cases(),
    );
  });

  it('P9: are superseded, and change nothing when a later success said everything', () => {
    fc.assert(
      fc.property(lateAndHistory, ([events, late]) => {
        const at = Math.max(...events.map(({ occurredAt }) => occurredAt), late.occurredAt) + 1;
        const whole: LedgerEvent = {
          ...late,
          id: 'z',
          eventType: 'renewal_succeeded',
          occurredAt: at,
          certificateRef: 'r',
          notAfter: 9,
          renewalDueAt: 8,
        };
        const ledger = arrive([[...events, whole]]);
        const { state, open } = ledger;
        ledger.apply([late]);
        expect(ledger.outcomes.get(late.id)).toBe('superseded');
        expect(ledger.state).toEqual(state);
        expect(ledger.open).toEqual(open);
        expect(ledger.applied.has(late.id)).toBe(true);
      }),
      cases(),
    );
  });

  it('P9: an outcome is given for every new event, and superseded ones only where the state was ahead', () => {
    fc.assert(
      fc.property(deliveries(1), ({ events, ways: [way = []] }) => {
        const ledger = new Ledger();
        for (const batch of way) {
          const before = ledger.state;
          const fresh = batch.filter((event) => !ledger.applied.has(event.id));
          ledger.apply(batch);
          for (const event of fresh) {
            expect(ledger.outcomes.get(event.id)).toBe(isLate(before, event) ? 'superseded' : 'applied');
          }
        }
        expect(ledger.outcomes.size).toBe(events.length);
        expect(eventOutcomes).toEqual(expect.arrayContaining([...new Set(ledger.outcomes.values())]));
      }),
      cases(),
    );
  });

  it('a late success ends an incident that began before it, and what came after opens one of its own', () => {
    const event = (
      id: string,
      at: number,
      eventType: LedgerEvent['eventType'],
      callbackAttempt: number | null,
      reason: string | null,
    ): LedgerEvent => ({
      id,
      occurredAt: at,
      eventType,
      callbackAttempt,
      reason,
      source: 's',
      clusterId: null,
      sourceEventId: null,
      certificateRef: null,
      notBefore: null,
      notAfter: null,
      renewalDueAt: null,
      callbackClass: null,
      callbackAction: null,
    });
    const ledger = arrive([
      [event('f1', 1, 'renewal_failed', 3, 'old'), event('f2', 3, 'renewal_failed', 1, null)],
      [event('s', 2, 'renewal_succeeded', null, null)],
    ]);
    expect(ledger.rows.map(({ tier, status, reason, eventId }) => ({ tier, status, reason, eventId }))).toEqual([
      { tier: 3, status: 'resolved', reason: 'old', eventId: 'f2' },
      { tier: 2, status: 'open', reason: null, eventId: 'f2' },
    ]);
    expect(ledger.rows[0]?.context['resolvedByEventId']).toBe('s');
  });
});

describe('the view of a state', () => {
  const allowed = {
    issuance_succeeded: ['issued', 'expiring'],
    renewal_succeeded: ['issued', 'expiring'],
    certificate_expiring: ['expiring'],
    issuance_failed: ['tls_error'],
    renewal_failed: ['tls_error'],
  };

  it('P7: is one of the statuses that the last event allows', () => {
    fc.assert(
      fc.property(
        deliveries(1),
        fc.record({
          tlsMode: fc.constantFrom(...tlsModes),
          routed: fc.boolean(),
          verified: fc.boolean(),
          failurePolicy: fc.constantFrom(...failurePolicies),
          expiryWarnPercent: fc.constantFrom(null, 10),
        }),
        fc.integer({ min: 0, max: 9_000_000 }),
        ({ ways: [way = []] }, settings, now) => {
          const { state } = arrive(way);
          const view = viewOf({ settings, state, served: neverServed }, null, now, 30);
          const byEvents = state.lastEventType === null ? ['pending_issue'] : allowed[state.lastEventType];
          const unrouted = settings.routed ? byEvents : ['pending_route'];
          expect(settings.tlsMode === 'passthrough' ? ['passthrough_unverified'] : unrouted).toContain(view.tlsStatus);
          expect(view.backoffSeconds === 0).toBe(state.failureCount === 0);
          expect(view.nextRetryAt).toBe(
            state.lastFailureAt === null ? null : state.lastFailureAt + 1000 * view.backoffSeconds,
          );
        },
      ),
      cases(),
    );
  });
});

describe('compareEvents', () => {
  it('is one strict order over any set', () => {
    fc.assert(
      fc.property(
        ledgerEvents(6).chain((events) => fc.tuple(fc.constant(events), deliveryOf(events))),
        ([events, batches]) => {
          const unique = [...new Map(batches.flat().map((event) => [event.id, event])).values()];
          expect(unique.toSorted(compareEvents)).toEqual(events.toSorted(compareEvents));
          for (const event of events) expect(compareEvents(event, event)).toBe(0);
        },
      ),
      cases(),
    );
  });
});
