import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseEvent } from '../lifecycle/event.ts';
import { readCertificate } from './certificate.ts';
import { buildEvents, eventTypeOf } from './event.ts';
import type { Occurrence } from './event.ts';

const certificate = readCertificate(
  readFileSync(new URL('../../test/e2e/support/pem/chain.pem', import.meta.url), 'utf8'),
);
const now = Date.parse('2027-01-02T03:04:05Z');
const base: Occurrence = {
  source: 'certbot',
  cluster: 'web-1',
  client: 'certbot',
  happening: { eventType: 'renewal_succeeded' },
  occurredAt: now,
  domains: [],
  nonce: 'n1',
  host: 'host-1',
};
const failure: Occurrence = {
  ...base,
  happening: { eventType: 'renewal_failed' },
  domains: ['a.example'],
  reason: 'timeout',
};
const ids = (occurrence: Occurrence): string[] => buildEvents(occurrence).map(({ sourceEventId }) => sourceEventId);

describe('buildEvents', () => {
  it('gives one event per name of the certificate, each of which the server takes', () => {
    const events = buildEvents({ ...base, certificate, renewalDueAt: now + 1000 });
    expect(events.map(({ domain }) => domain)).toEqual(certificate.names);
    for (const { body, domain, sourceEventId } of events) {
      expect(parseEvent(JSON.parse(body), now)).toMatchObject({
        source: 'certbot',
        clusterId: 'web-1',
        sourceEventId,
        domain,
        eventType: 'renewal_succeeded',
        certificateRef: certificate.certificateRef,
        notBefore: certificate.notBefore,
        notAfter: certificate.notAfter,
        renewalDueAt: now + 1000,
        happenedAt: now,
      });
    }
  });

  it('gives a success the same id and body when the hook runs again', () => {
    const [first] = buildEvents({ ...base, certificate });
    expect(first?.sourceEventId).toBe('certbot:CF2D649699E331BC:renewal_succeeded:www.example.com');
    expect(buildEvents({ ...base, certificate, nonce: 'n2' })[0]).toEqual(first);
  });

  it('gives each failure an id of its own', () => {
    expect(ids(failure)).not.toEqual(ids({ ...failure, occurredAt: now + 1 }));
    expect(ids(failure)).not.toEqual(ids({ ...failure, nonce: 'n2' }));
  });

  it('tells a deployment from a renewal of the same certificate', () => {
    const deployment = { happening: { callback: { class: 'deployment', action: 'succeeded' } as const }, certificate };
    expect(ids({ ...base, ...deployment })).not.toEqual(ids({ ...base, certificate }));
  });

  it('lets a failure say nothing about the certificate still in use, but in the payload', () => {
    const [event] = buildEvents({ ...failure, domains: [], certificate });
    const parsed = parseEvent(JSON.parse(event?.body ?? ''), now);
    expect(parsed).toMatchObject({ notAfter: null, reason: 'timeout' });
    expect(parsed).not.toHaveProperty('certificateRef');
    expect(parsed.payload).toMatchObject({ certificate: { serial: certificate.serial } });
    expect(event?.idFromCertificate).toBe(false);
  });

  it('cuts and cleans a reason so that the server takes it', () => {
    const [event] = buildEvents({ ...failure, reason: `\u001b[31mno\u0000 route\n${'x'.repeat(5000)}` });
    const { reason } = parseEvent(JSON.parse(event?.body ?? ''), now);
    expect(reason).toHaveLength(4000);
    expect(reason?.startsWith('[31mno  route\nxxx')).toBe(true);
  });

  it('keeps ids of the longest names within bounds, and apart', () => {
    const long = (first: string): string =>
      [first, 'a'.repeat(60), 'b'.repeat(60), 'c'.repeat(60), 'd'.repeat(60)].join('.');
    const made = ids({ ...failure, domains: [long('x'), long('y')] });
    expect(made.every((id) => id.length <= 200)).toBe(true);
    expect(new Set(made).size).toBe(2);
  });

  it.each([
    ['no name at all', { ...failure, domains: [] }, /--pem or --domain/],
    [
      'a name that the certificate does not hold',
      { ...base, certificate, domains: ['other.example'] },
      /does not hold/,
    ],
  ])('refuses %s', (_, occurrence, message) => {
    expect(() => buildEvents(occurrence)).toThrow(message);
  });

  it('takes the id of the caller, told apart by name where there are several', () => {
    expect(ids({ ...failure, eventId: 'uid/fail/3' })).toEqual(['uid/fail/3']);
    expect(ids({ ...failure, eventId: 'uid/fail/3', domains: ['a.example', 'b.example'] })).toEqual([
      'uid/fail/3:a.example',
      'uid/fail/3:b.example',
    ]);
  });
});

describe('eventTypeOf', () => {
  it('takes the type from class and action', () => {
    expect(eventTypeOf({ callback: { class: 'challenge', action: 'failed' } })).toBe('issuance_failed');
  });

  it.each([
    [{}, /Give --event/],
    [{ callback: { class: 'challenge', action: 'started' } } as const, /Give --event/],
    [
      { eventType: 'issuance_failed', callback: { class: 'renewal', action: 'failed' } } as const,
      /mean renewal_failed/,
    ],
  ])('refuses %j', (happening, message) => {
    expect(() => eventTypeOf(happening)).toThrow(message);
  });
});
