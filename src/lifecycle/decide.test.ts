import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases, deliveryOf, ledgerEvents } from '../../test/support/properties.ts';
import { decide, domainsToRefold, failTry, type Limits, type LockedDomain, type PendingEvent } from './decide.ts';
import { emptyState, foldHistory } from './fold.ts';
import type { CurrentIncident } from './incidents.ts';
import { neverServed } from './status.ts';
import type { LedgerEvent } from './types.ts';

const limits: Limits = {
  now: 2_000_000,
  warnDays: 30,
  slaWarningHours: 72,
  probeQuietSeconds: 600,
  maxRetries: 6,
  baseBackoffSeconds: 45,
};

const domain = (name: string, more: Partial<LockedDomain> = {}): LockedDomain => ({
  id: `id-${name}`,
  domain: name,
  orgId: `org-${name}`,
  settings: {
    tlsMode: 'termination',
    routed: true,
    verified: true,
    failurePolicy: 'standard',
    expiryWarnPercent: null,
  },
  state: emptyState,
  served: neverServed,
  window: null,
  clocks: { tlsStatus: 'pending_issue', alerting: false, lookDueAt: null, probeDueAt: 0, probeChecks: 0 },
  ...more,
});

const pending = (event: LedgerEvent, name: string, more: Partial<PendingEvent> = {}): PendingEvent => ({
  ...event,
  domain: name,
  retryCount: 0,
  generation: 0,
  receivedAt: 1_900_000,
  ...more,
});

const event = (id: string, eventType: LedgerEvent['eventType'] = 'renewal_failed', occurredAt = 1000): LedgerEvent => ({
  id,
  eventType,
  occurredAt,
  source: 's',
  clusterId: null,
  sourceEventId: null,
  certificateRef: null,
  notBefore: null,
  notAfter: null,
  renewalDueAt: null,
  reason: null,
  callbackClass: null,
  callbackAction: null,
  callbackAttempt: null,
});

const none = new Map<string, never[]>();

/** The transactions of a worker over several domains: what is locked, decided and written. */
class Worker {
  readonly domains: Map<string, LockedDomain>;
  readonly applied = new Map<string, PendingEvent>();
  readonly incidents = new Map<string, CurrentIncident[]>();

  constructor(names: readonly string[]) {
    this.domains = new Map(names.map((name) => [name, domain(name)]));
  }

  apply(batch: readonly PendingEvent[]): string[] {
    const fresh = [...new Map(batch.map((one) => [one.id, one])).values()].filter(({ id }) => !this.applied.has(id));
    const locked = [...this.domains.values()].filter((one) => fresh.some((two) => two.domain === one.domain));
    const refold = domainsToRefold(locked, fresh);
    const history = new Map(
      refold.map(({ id, domain: name }) => [id, [...this.applied.values()].filter((one) => one.domain === name)]),
    );
    const decision = decide(locked, fresh, history, this.incidents, limits);
    if (decision.failed.length > 0) throw new Error('No event may fail');
    for (const write of decision.domains) {
      this.domains.set(write.domain.domain, { ...write.domain, state: write.state });
      const rows = this.incidents.get(write.domain.domain) ?? [];
      const kept = rows.filter(({ id }) => !write.incidents.some((one) => one.id === id));
      const live = write.incidents
        .filter(({ status }) => status !== 'resolved')
        .map((one) => ({ ...one, id: one.id ?? `new-${one.type}` }));
      this.incidents.set(write.domain.domain, [...kept, ...live]);
    }
    for (const { event: one } of decision.applied) this.applied.set(one.id, one);
    return decision.domains.map((write) => write.domain.domain);
  }
}

describe('decide', () => {
  it('P10: the events of one domain never change another', () => {
    const both = fc.tuple(ledgerEvents(6, 'a'), ledgerEvents(6, 'b')).chain(([a, b]) => {
      const events = [...a.map((one) => pending(one, 'a.example')), ...b.map((one) => pending(one, 'b.example'))];
      return fc.tuple(fc.constant(events), deliveryOf(events));
    });
    fc.assert(
      fc.property(both, ([events, batches]) => {
        const together = new Worker(['a.example', 'b.example', 'c.example']);
        for (const batch of batches) {
          const written = together.apply(batch);
          for (const name of written) expect(batch.some((one) => one.domain === name)).toBe(true);
        }
        for (const name of ['a.example', 'b.example']) {
          const own = events.filter((one) => one.domain === name);
          expect(together.domains.get(name)).toEqual(domain(name, { state: foldHistory(own).state }));
          const types = (together.incidents.get(name) ?? []).map(({ type }) => type).toSorted();
          expect(types).toEqual([...foldHistory(own).open.keys()].toSorted());
        }
        expect(together.domains.get('c.example')).toEqual(domain('c.example'));
        expect(together.incidents.get('c.example')).toBeUndefined();
        expect(together.applied.size).toBe(events.length);
      }),
      cases(),
    );
  });

  it('asks for the history of exactly the domains whose event came late', () => {
    const ahead = { ...emptyState, lastEventId: 'e5', lastEventAt: 1000, lastEventType: 'renewal_failed' as const };
    const domains = ['a', 'b', 'c'].map((name) => domain(name, { state: ahead }));
    const events = [
      pending(event('e6'), 'a'),
      pending(event('e4'), 'b'),
      pending(event('e9'), 'b'),
      pending(event('e5'), 'c'),
    ];
    expect(domainsToRefold(domains, events).map((one) => one.domain)).toEqual(['b', 'c']);
    expect(domainsToRefold(domains, [])).toEqual([]);
  });

  it('an event without a domain is unresolved and the others are applied', () => {
    const decision = decide([domain('a')], [pending(event('e1'), 'b'), pending(event('e2'), 'a')], none, none, limits);
    expect(decision.applied.map((one) => [one.event.id, one.outcome, one.domain.id])).toEqual([
      ['e2', 'applied', 'id-a'],
    ]);
    expect(decision.failed).toMatchObject([
      {
        event: { id: 'e1' },
        errorClass: 'unresolved',
        error: 'The domain is not registered',
        tries: 1,
        nextRetryAt: 2_045_000,
      },
    ]);
  });

  it('an event that can never be applied fails for good and the others of its domain go on without it', () => {
    const row: object = { ...pending(event('e2'), 'a'), eventType: 'certificate_painted' };
    // A row as a newer version may have written it: the types of this version do not know its word.
    const unknown = row as PendingEvent;
    const decision = decide(
      [domain('a')],
      [pending(event('e1'), 'a'), unknown, pending(event('e3'), 'a')],
      none,
      none,
      limits,
    );
    expect(decision.applied.map((one) => one.event.id)).toEqual(['e1', 'e3']);
    expect(decision.failed).toMatchObject([{ event: { id: 'e2' }, errorClass: 'invalid', nextRetryAt: null }]);
    expect(decision.domains[0]?.state).toMatchObject({ failureCount: 2, lastEventId: 'e3' });
  });

  it.each([
    ['at once where the clock had found the certificate expired', 'tls_error', limits.now],
    ['when it was to be looked at anyway, else', 'expiring', 9_000_000],
  ] as const)('has a domain that a late event does not change settled %s', (_, tlsStatus, lookDueAt) => {
    const success = { ...event('e5', 'renewal_succeeded', 5000), certificateRef: 'r', notAfter: 6000 };
    const { state } = foldHistory([success]);
    const clocks = { tlsStatus, alerting: true, lookDueAt: 9_000_000, probeDueAt: 7, probeChecks: 1 };
    const late = pending(event('e4', 'renewal_failed', 4000), 'a');
    const history = new Map([['id-a', [success]]]);
    const [write] = decide([domain('a', { state, clocks })], [late], history, none, limits).domains;
    expect(write).toMatchObject({ state, schedule: { lookDueAt, probeDueAt: 7, probeChecks: 1 } });
  });

  it('settles incidents against those of the same domain only', () => {
    const open: CurrentIncident = {
      id: 'i1',
      type: 'renewal_failed',
      tier: 2,
      status: 'open',
      reason: null,
      context: {},
    };
    const decision = decide(
      [domain('a'), domain('b')],
      [pending(event('e1', 'renewal_succeeded'), 'a')],
      none,
      new Map([['b', [open]]]),
      limits,
    );
    expect(decision.domains.map((write) => write.incidents)).toEqual([[], []]);
  });
});

describe('failTry', () => {
  it.each([
    [0, 45],
    [1, 90],
    [2, 180],
    [3, 360],
    [4, 720],
    [5, null],
    [6, null],
  ])('after %i failed tries the next one comes in %s s', (retryCount, seconds) => {
    const failed = failTry(pending(event('e1'), 'a', { retryCount }), 'unresolved', 'why', limits);
    expect(failed).toMatchObject({ tries: retryCount + 1, errorClass: 'unresolved', error: 'why' });
    expect(failed.nextRetryAt).toBe(seconds === null ? null : limits.now + seconds * 1000);
  });

  it('gives up at once on what no try can help', () => {
    expect(failTry(pending(event('e1'), 'a'), 'invalid', 'why', limits).nextRetryAt).toBeNull();
    expect(failTry(pending(event('e1'), 'a'), 'internal', 'why', limits).nextRetryAt).toBe(limits.now + 45_000);
  });

  it('bounds what is kept of an error', () => {
    expect(failTry(pending(event('e1'), 'a'), 'internal', 'x'.repeat(9000), limits).error).toHaveLength(2000);
  });
});
