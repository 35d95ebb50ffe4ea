import { describe, expect, it } from 'vitest';
import {
  type CurrentIncident,
  type IncidentDraft,
  type IncidentOp,
  mergeDrafts,
  raiseFor,
  settleIncidents,
  tierOf,
} from './incidents.ts';
import type { IncidentType, LedgerEvent } from './types.ts';

const event = (more: Partial<LedgerEvent> = {}): LedgerEvent => ({
  id: 'e1',
  source: 'lego',
  clusterId: 'c1',
  sourceEventId: 's1',
  eventType: 'renewal_failed',
  occurredAt: 1,
  certificateRef: null,
  notBefore: null,
  notAfter: null,
  renewalDueAt: null,
  reason: null,
  callbackClass: null,
  callbackAction: null,
  callbackAttempt: null,
  ...more,
});

describe('tierOf', () => {
  const attempts = [null, 1, 2, 3, 4, 5, 6, 100];
  it.each([
    ['renewal_failed', null, [2, 2, 2, 3, 3, 3, 3, 3]],
    ['renewal_failed', 'renewal', [2, 2, 2, 3, 3, 3, 3, 3]],
    ['renewal_failed', 'deployment', [2, 2, 2, 3, 3, 3, 3, 3]],
    ['issuance_failed', null, [1, 1, 1, 1, 1, 3, 3, 3]],
    ['issuance_failed', 'issuance', [1, 1, 1, 1, 1, 3, 3, 3]],
    ['issuance_failed', 'challenge', [1, 1, 1, 2, 2, 3, 3, 3]],
    ['certificate_expiring', null, [1, 1, 2, 2, 2, 2, 2, 2]],
    ['certificate_expiring', 'renewal', [1, 1, 2, 2, 2, 2, 2, 2]],
  ] as const)('%s of class %s over attempts none, 1, 2, 3, 4, 5, 6, 100', (eventType, callbackClass, tiers) => {
    expect(attempts.map((callbackAttempt) => tierOf({ eventType, callbackClass, callbackAttempt }))).toEqual(tiers);
  });
});

describe('raiseFor', () => {
  it.each(['issuance_succeeded', 'renewal_succeeded'] as const)('%s raises nothing', (eventType) => {
    expect(raiseFor(event({ eventType }))).toBeNull();
  });

  it('tells who said it, and leaves out what is not known', () => {
    const draft = raiseFor(
      event({ reason: 'caa', callbackClass: 'renewal', callbackAction: 'failed', callbackAttempt: 4 }),
    );
    expect(draft).toEqual({
      type: 'renewal_failed',
      tier: 3,
      eventId: 'e1',
      reason: 'caa',
      eventIds: new Set(['e1']),
      context: {
        source: 'lego',
        clusterId: 'c1',
        sourceEventId: 's1',
        callbackClass: 'renewal',
        callbackAction: 'failed',
        callbackAttempt: 4,
      },
    });
  });
});

const draft = (more: Partial<IncidentDraft> = {}): IncidentDraft => ({
  type: 'renewal_failed',
  tier: 2,
  eventId: 'e2',
  reason: 'new',
  context: { source: 'lego' },
  eventIds: new Set(['e2']),
  ...more,
});
const raise = (more: Partial<IncidentDraft> = {}): IncidentOp => ({ kind: 'raise', draft: draft(more) });
const resolve = (byEventId = 's', except: readonly IncidentType[] = []): IncidentOp => ({
  kind: 'resolve',
  byEventId,
  except,
});
const row = (more: Partial<CurrentIncident> = {}): CurrentIncident => ({
  id: 'i1',
  type: 'renewal_failed',
  tier: 2,
  status: 'open',
  reason: 'old',
  context: { source: 'certbot', note: 'seen' },
  ...more,
});

describe('mergeDrafts', () => {
  it('keeps the higher tier either way, the last event, and a reason that only the earlier one gave', () => {
    const earlier = draft({
      tier: 3,
      eventId: 'e1',
      eventIds: new Set(['e1']),
      context: { source: 'certbot', attempt: 1 },
    });
    expect(mergeDrafts(earlier, draft({ reason: null }))).toEqual(
      draft({ tier: 3, reason: 'new', eventIds: new Set(['e1', 'e2']), context: { source: 'lego', attempt: 1 } }),
    );
    expect(mergeDrafts(draft({ tier: 1 }), draft({ tier: 3 })).tier).toBe(3);
  });
});

describe('settleIncidents', () => {
  it('opens an incident where there is none', () => {
    const { type, tier, eventId, reason, context } = draft();
    expect(settleIncidents([], [raise()])).toEqual([
      { id: null, type, tier, status: 'open', eventId, reason, context, resolvedBy: null },
    ]);
  });

  it.each([
    [1, 2],
    [2, 2],
    [3, 3],
  ] as const)('a later event of tier %i brings tier 2 to %i', (tier, expected) => {
    expect(settleIncidents([row()], [raise({ tier })])).toMatchObject([
      { id: 'i1', tier: expected, status: 'open', eventId: 'e2' },
    ]);
  });

  it.each([
    [1, 'acknowledged'],
    [2, 'acknowledged'],
    [3, 'open'],
  ] as const)('a later event of tier %i leaves an acknowledged incident of tier 2 %s', (tier, status) => {
    expect(settleIncidents([row({ status: 'acknowledged' })], [raise({ tier })])).toMatchObject([{ id: 'i1', status }]);
  });

  it.each([
    ['new', 'new'],
    [null, 'old'],
  ])('a reason %s leaves %s', (reason, expected) => {
    expect(settleIncidents([row()], [raise({ reason })])).toMatchObject([{ reason: expected }]);
  });

  it('merges the context', () => {
    const [write] = settleIncidents([row()], [raise({ context: { source: 'lego', callbackAttempt: 2 } })]);
    expect(write?.context).toEqual({ source: 'lego', note: 'seen', callbackAttempt: 2 });
  });

  it('a success resolves what events opened and leaves what probes opened', () => {
    const types: IncidentType[] = [
      'issuance_failed',
      'renewal_failed',
      'certificate_expiring',
      'tls_error',
      'certificate_drift',
    ];
    const writes = settleIncidents(
      types.map((type) => row({ id: type, type })),
      [resolve()],
    );
    expect(writes.map(({ id, status }) => [id, status])).toEqual([
      ['issuance_failed', 'resolved'],
      ['renewal_failed', 'resolved'],
      ['certificate_expiring', 'resolved'],
    ]);
    expect(writes[0]?.context).toEqual({ source: 'certbot', note: 'seen', resolvedByEventId: 's' });
  });

  it('resolves an acknowledged one too', () => {
    expect(settleIncidents([row({ status: 'acknowledged' })], [resolve()])).toMatchObject([
      { id: 'i1', status: 'resolved' },
    ]);
  });

  it('leaves what a resolution excepts', () => {
    expect(settleIncidents([row()], [resolve('s', ['renewal_failed'])])).toEqual([]);
  });

  it('writes nothing for what nothing touches', () => {
    expect(settleIncidents([row(), row({ id: 'i2', type: 'tls_error' })], [])).toEqual([]);
    expect(settleIncidents([], [resolve()])).toEqual([]);
  });

  it('keeps an incident that opens and resolves within one batch, as resolved', () => {
    const writes = settleIncidents([], [raise(), resolve()]);
    expect(writes).toMatchObject([
      { id: null, status: 'resolved', eventId: 'e2', context: { resolvedByEventId: 's' } },
    ]);
  });

  it('resolves the old one before it opens its successor', () => {
    const writes = settleIncidents([row({ tier: 3 })], [resolve(), raise({ tier: 2, reason: null })]);
    expect(writes).toMatchObject([
      { id: 'i1', status: 'resolved', tier: 3, eventId: null },
      { id: null, status: 'open', tier: 2, reason: null, context: { source: 'lego' } },
    ]);
    expect(writes[1]?.context).toEqual({ source: 'lego' });
  });

  it('makes one write of several events of one type', () => {
    const writes = settleIncidents(
      [row({ tier: 1 })],
      [raise({ tier: 3 }), raise({ tier: 1, eventId: 'e3', reason: null })],
    );
    expect(writes).toMatchObject([{ id: 'i1', tier: 3, eventId: 'e3', reason: 'new' }]);
    expect(writes).toHaveLength(1);
  });
});
