import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { AppError } from '../errors.ts';
import { mapCallback, parseEvent } from './event.ts';
import { callbackActions, callbackClasses, eventTypes } from './types.ts';

const now = Date.UTC(2026, 0, 1);
const minimal = { eventType: 'renewal_succeeded', domain: 'example.com' };
const parse = (more: Record<string, unknown> = {}) => parseEvent({ ...minimal, ...more }, now);

const refusal = (json: unknown): string => {
  try {
    parseEvent(json, now);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.code).toBe('bad_request');
    return error.message;
  }
  return 'accepted';
};

/** The type of what is accepted, or why it is refused. */
const typed = (json: Record<string, unknown>): string => {
  const message = refusal(json);
  return message === 'accepted' ? parseEvent(json, now).eventType : message;
};

describe('mapCallback', () => {
  it.each([
    ['issuance', 'started', null],
    ['issuance', 'succeeded', 'issuance_succeeded'],
    ['issuance', 'failed', 'issuance_failed'],
    ['issuance', 'retrying', null],
    ['renewal', 'started', null],
    ['renewal', 'succeeded', 'renewal_succeeded'],
    ['renewal', 'failed', 'renewal_failed'],
    ['renewal', 'retrying', null],
    ['challenge', 'started', null],
    ['challenge', 'succeeded', null],
    ['challenge', 'failed', 'issuance_failed'],
    ['challenge', 'retrying', null],
    ['deployment', 'started', null],
    ['deployment', 'succeeded', 'renewal_succeeded'],
    ['deployment', 'failed', 'renewal_failed'],
    ['deployment', 'retrying', null],
  ] as const)('%s %s: %s', (callbackClass, callbackAction, type) => {
    expect(mapCallback(callbackClass, callbackAction)).toBe(type);
    const given = { domain: 'example.com', callbackClass, callbackAction };
    const alone = 'Unable to resolve eventType from payload; provide eventType or callbackClass/callbackAction mapping';
    expect(typed(given)).toBe(type ?? alone);
    for (const eventType of eventTypes) {
      const differs = `callbackClass/callbackAction map to ${type} but eventType is ${eventType}`;
      expect(typed({ ...given, eventType })).toBe(type === null || type === eventType ? eventType : differs);
    }
  });
});

describe('the type of an event', () => {
  const together = 'callbackClass and callbackAction must be provided together';
  const unable = 'Unable to resolve eventType from payload; provide eventType or callbackClass/callbackAction mapping';
  it.each([
    [{ callbackClass: 'renewal' }, together],
    [{ callbackAction: 'failed' }, together],
    [{ callbackClass: 'renewal', eventType: 'renewal_failed' }, together],
    [{ callbackAction: 'failed', eventType: 'renewal_failed' }, together],
    [{}, unable],
    [
      { callbackClass: 'issuance', callbackAction: 'failed', eventType: 'renewal_failed' },
      'callbackClass/callbackAction map to issuance_failed but eventType is renewal_failed',
    ],
  ])('%j: %s', (body, message) => {
    expect(refusal(body)).toBe(message);
  });
});

describe('parseEvent', () => {
  it('gives the fields in their one form', () => {
    const parsed = parse({
      source: ' lego ',
      clusterId: 'c1',
      sourceEventId: 'abc',
      domainId: '0190A0B0-0000-7000-8000-00000000000F',
      domain: ' Example.COM. ',
      callbackClass: 'renewal',
      callbackAction: 'succeeded',
      callbackAttempt: 2,
      notAfter: '2026-04-01T00:00:00+02:00',
      notBefore: 5,
      certificateRef: 'sha256:AB',
      reason: 'why',
      payload: { a: [1] },
      something: 'else',
    });
    expect(parsed).toMatchObject({
      source: 'lego',
      clusterId: 'c1',
      sourceEventId: 'abc',
      domainId: '0190a0b0-0000-7000-8000-00000000000f',
      domain: 'example.com',
      callbackClass: 'renewal',
      callbackAction: 'succeeded',
      callbackAttempt: 2,
      notAfter: Date.UTC(2026, 2, 31, 22),
      notBefore: 5,
      certificateRef: 'sha256:AB',
      reason: 'why',
      payload: { a: [1] },
      eventType: 'renewal_succeeded',
      happenedAt: now,
    });
    expect(parsed).not.toHaveProperty('something');
  });

  it('leaves absent what was not given', () => {
    const { contentHash, ...rest } = parseEvent({ eventType: 'renewal_failed' }, now);
    expect(contentHash).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))).toEqual({
      eventType: 'renewal_failed',
      happenedAt: now,
      callbackReceivedAt: null,
      notBefore: null,
      notAfter: null,
      renewalDueAt: null,
      occurredAt: null,
    });
  });

  it('takes an empty reason or reference for none', () => {
    expect(parse({ reason: '', certificateRef: '' })).toMatchObject({ reason: undefined, certificateRef: undefined });
  });

  it.each([[null], [[]], ['x'], [1], [true], [[minimal]]])('refuses %j, which is no object', (json) => {
    expect(refusal(json)).toBe('The body must be a JSON object');
  });

  const lengths: [string, number, number][] = [
    ['source', 2, 80],
    ['clusterId', 2, 120],
    ['sourceEventId', 3, 200],
    ['certificateRef', 0, 255],
    ['reason', 0, 4000],
  ];
  it.each(lengths)('%s has %i to %i characters', (field, min, max) => {
    expect(refusal({ ...minimal, [field]: 'x'.repeat(max) })).toBe('accepted');
    expect(refusal({ ...minimal, [field]: 'x'.repeat(min) })).toBe('accepted');
    const short = refusal({ ...minimal, [field]: 'x'.repeat(Math.max(0, min - 1)) });
    expect(short).toBe(min === 0 ? 'accepted' : `${field} must have at least ${min} characters`);
    expect(refusal({ ...minimal, [field]: 'x'.repeat(max + 1) })).toBe(`${field} must have at most ${max} characters`);
    for (const bad of [1, true, {}, [], null])
      expect(refusal({ ...minimal, [field]: bad })).toBe(`${field} must be a string`);
  });

  it.each(['source', 'clusterId'])('blanks are no %s', (field) => {
    expect(refusal({ ...minimal, [field]: '     ' })).toBe(`${field} must have at least 2 characters`);
  });

  it.each([
    ['eventType', eventTypes],
    ['callbackClass', callbackClasses],
    ['callbackAction', callbackActions],
  ])('%s is one of its words, spelled exactly', (field, words) => {
    for (const bad of ['', 'RENEWAL_FAILED', ' renewal', 'other', 1, null, {}, ['renewal_failed']]) {
      expect(refusal({ ...minimal, [field]: bad })).toBe(`${field} must be one of ${words.join(', ')}`);
    }
  });

  it('callbackAttempt is an integer from 1 to 100', () => {
    for (const good of [1, 50, 100]) expect(parse({ callbackAttempt: good }).callbackAttempt).toBe(good);
    for (const bad of [0, 101, -1, 1.5, '1', null, true, Number.POSITIVE_INFINITY]) {
      expect(refusal({ ...minimal, callbackAttempt: bad })).toBe('callbackAttempt must be an integer from 1 to 100');
    }
  });

  it('domainId is a UUID', () => {
    for (const bad of [
      '',
      'x',
      '0190a0b0-0000-7000-8000-00000000000',
      '{0190a0b0-0000-7000-8000-00000000000f}',
      '0190a0b000007000800000000000000f',
    ]) {
      expect(refusal({ ...minimal, domainId: bad })).toBe('domainId must be a UUID');
    }
    expect(refusal({ ...minimal, domainId: null })).toBe('domainId must be a string');
  });

  it('domain is a host name', () => {
    for (const bad of ['', 'a b', '127.0.0.1', '-a.com', 'https://example.com'])
      expect(refusal({ ...minimal, domain: bad })).toBe('domain must be a host name');
    for (const bad of [null, 1, ['example.com']])
      expect(refusal({ ...minimal, domain: bad })).toBe('domain must be a string');
  });

  it('payload is an object', () => {
    for (const bad of [null, [], 'x', 1, true])
      expect(refusal({ ...minimal, payload: bad })).toBe('payload must be an object');
    expect(parse({ payload: {} }).payload).toEqual({});
  });

  it.each(['callbackReceivedAt', 'notBefore', 'notAfter', 'renewalDueAt', 'occurredAt'] as const)(
    '%s is a time, and null is none',
    (field) => {
      expect(parse({ [field]: null })[field]).toBeNull();
      expect(parse({ [field]: '2025-01-01T00:00:00Z' })[field]).toBe(Date.UTC(2025, 0, 1));
      expect(parse({ [field]: 1234 })[field]).toBe(1234);
      for (const bad of ['', 'soon', '2025-01-01', '1234', -1, 1.5, true, {}, []]) {
        expect(refusal({ ...minimal, [field]: bad })).toBe(`${field} must be an RFC 3339 time or epoch milliseconds`);
      }
    },
  );

  it('an event happened at occurredAt, else when its callback came, else now', () => {
    expect(parse({ occurredAt: 3, callbackReceivedAt: 2 }).happenedAt).toBe(3);
    expect(parse({ callbackReceivedAt: 2 }).happenedAt).toBe(2);
    expect(parse().happenedAt).toBe(now);
  });

  it('an event may lie 5 minutes ahead, and no more', () => {
    expect(parse({ occurredAt: now + 300_000 }).happenedAt).toBe(now + 300_000);
    const message = 'occurredAt must not lie more than 5 minutes in the future';
    expect(refusal({ ...minimal, occurredAt: now + 300_001 })).toBe(message);
    expect(refusal({ ...minimal, callbackReceivedAt: now + 300_001 })).toBe(message);
    expect(refusal({ ...minimal, notAfter: now + 1e12, renewalDueAt: now + 1e12 })).toBe('accepted');
  });

  it('names several wrong fields at once, five at most', () => {
    const bad = { source: 1, clusterId: 1, sourceEventId: 1, domainId: 1, domain: 1, eventType: 1, reason: 1 };
    expect(refusal(bad)).toBe(
      ['source', 'clusterId', 'sourceEventId', 'domainId', 'domain']
        .map((field) => `${field} must be a string`)
        .join('; '),
    );
  });

  it('inherits nothing from the prototype of what is sent', () => {
    const parsed = parseEvent(
      JSON.parse(
        '{"eventType":"renewal_failed","__proto__":{"reason":"x","domain":"a.com"},"payload":{"__proto__":{"b":1}}}',
      ),
      now,
    );
    expect(parsed.reason).toBeUndefined();
    expect(parsed.domain).toBeUndefined();
    expect(Object.keys(parsed.payload ?? {})).toEqual(['__proto__']);
  });

  const fields = [
    'source',
    'clusterId',
    'sourceEventId',
    'domainId',
    'domain',
    'eventType',
    'callbackClass',
    'callbackAction',
  ].concat([
    'callbackAttempt',
    'callbackReceivedAt',
    'notBefore',
    'notAfter',
    'renewalDueAt',
    'occurredAt',
    'certificateRef',
    'reason',
    'payload',
  ]);

  it('an error never echoes what was sent', () => {
    const marker = fc.stringMatching(/^[G-Zg-z]{12}$/).map((text) => `mk${text}`);
    const shapes: ((text: string) => unknown)[] = [
      (s) => s,
      (s) => [s],
      (s) => ({ [s]: s }),
      (s) => `${s}@example.com`,
      (s) => s.repeat(400),
      (s) => `2026-01-01T00:00:00${s}`,
    ];
    const placed = fc.record({
      field: fc.constantFrom(...fields),
      shape: fc.constantFrom(...shapes),
      second: fc.constantFrom(...fields),
      key: fc.boolean(),
    });
    fc.assert(
      fc.property(marker, placed, (text, { field, shape, second, key }) => {
        const body = { ...minimal, [field]: shape(text), [second]: shape(text), ...(key ? { [text]: text } : {}) };
        expect(refusal(body)).not.toContain(text.slice(2));
        expect(refusal(shape(text))).not.toContain(text.slice(2));
      }),
      cases(),
    );
  });

  it('anything at all is taken or refused, and nothing else happens', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(...eventTypes, ...callbackClasses, ...callbackActions, 'example.com', now),
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...fields), value)), (json) => {
        expect(refusal(json).length).toBeGreaterThan(0);
      }),
      cases(),
    );
  });
});

describe('contentHash', () => {
  const full = {
    source: 'lego',
    clusterId: 'c1',
    sourceEventId: 'abc',
    domainId: '0190a0b0-0000-7000-8000-00000000000f',
    domain: 'example.com',
    eventType: 'renewal_succeeded',
    callbackClass: 'renewal',
    callbackAction: 'succeeded',
    callbackAttempt: 2,
    callbackReceivedAt: 1,
    notBefore: 2,
    notAfter: 3,
    renewalDueAt: 4,
    occurredAt: 5,
    certificateRef: 'sha256:AB',
    reason: 'why',
    payload: { a: { b: 1, c: [1, 2] } },
  };
  const hashOf = (json: unknown, receivedAt = now): string => parseEvent(json, receivedAt).contentHash;

  it.each([
    ['source', 'acme'],
    ['clusterId', 'c2'],
    ['sourceEventId', 'abd'],
    ['domainId', '0190a0b0-0000-7000-8000-000000000000'],
    ['domain', 'www.example.com'],
    ['callbackClass', 'deployment'],
    ['callbackAttempt', 3],
    ['callbackReceivedAt', 2],
    ['notBefore', 3],
    ['notAfter', 4],
    ['renewalDueAt', 5],
    ['occurredAt', 6],
    ['certificateRef', 'sha256:AC'],
    ['reason', 'how'],
    ['payload', { a: { b: 1, c: [2, 1] } }],
    ['payload', { a: { b: '1', c: [1, 2] } }],
    ['payload', {}],
  ])('differs with another %s', (field, value) => {
    expect(hashOf({ ...full, [field]: value })).not.toBe(hashOf(full));
  });

  it.each(Object.keys(full).filter((field) => field !== 'eventType' && !field.startsWith('callback')))(
    'differs without %s',
    (field) => {
      const { [field]: _, ...rest } = { ...full } as Record<string, unknown>;
      expect(hashOf(rest)).not.toBe(hashOf(full));
    },
  );

  it('differs with another type', () => {
    const hashes = eventTypes.map((eventType) => hashOf({ ...minimal, eventType }));
    expect(new Set(hashes).size).toBe(eventTypes.length);
  });

  it('is the same for the same event in other words', () => {
    const { eventType: _, ...mapped } = full;
    const others = [
      { ...full, unknown: 1 },
      mapped,
      { ...full, domain: ' EXAMPLE.com. ' },
      { ...full, notAfter: '1970-01-01T00:00:00.003Z' },
    ];
    for (const other of others) expect(hashOf(other)).toBe(hashOf(full));
    expect(hashOf({ ...minimal, notAfter: null, reason: '' })).toBe(hashOf(minimal));
    expect(hashOf(minimal, now + 1)).toBe(hashOf(minimal, now));
  });

  it('does not depend on the order of keys or on blanks', () => {
    const entries = Object.entries({ ...full, payload: { z: 1, y: { x: [{ w: 1, v: 2 }] } } });
    const shuffled = fc.shuffledSubarray(entries, { minLength: entries.length });
    fc.assert(
      fc.property(shuffled, fc.integer({ min: 0, max: 4 }), fc.boolean(), (order, indent, flip) => {
        const payload = flip ? { y: { x: [{ v: 2, w: 1 }] }, z: 1 } : { z: 1, y: { x: [{ w: 1, v: 2 }] } };
        const text = JSON.stringify({ ...Object.fromEntries(order), payload }, null, indent);
        expect(hashOf(JSON.parse(text))).toBe(hashOf(Object.fromEntries(entries)));
      }),
      cases(),
    );
  });
});
