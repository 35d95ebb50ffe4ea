import { describe, expect, it } from 'vitest';
import { type AttentionFacts, attentionKinds, attentionOf } from './attention.ts';

const minute = 60_000;
const hour = 60 * minute;
const now = Date.UTC(2026, 10, 20, 3);
const none = { count: 0, since: null, first: null, owners: [] };
const well: AttentionFacts = {
  breach: none,
  tlsError: none,
  drift: [],
  deadLetters: { count: 0, since: null, groups: 0, largest: null, sources: [] },
  notices: { count: 0, since: null, channels: [] },
  silent: [],
  queue: { pending: 0, overdueSince: null },
  spikes: [],
  loops: { events: 0, since: null },
};
const ill: AttentionFacts = {
  breach: {
    count: 3,
    since: now - hour,
    first: { domain: 'pay.example', notAfter: now + 9 * hour, error: null },
    owners: [
      { name: 'harbor', count: 2 },
      { name: null, count: 1 },
    ],
  },
  tlsError: {
    count: 1,
    since: now - 5 * hour,
    first: { domain: 'a.example', notAfter: now - hour, error: 'expired\u202E' },
    owners: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, count: 1 })),
  },
  drift: [{ state: 'stale_served', ...none, count: 1, since: now - 2 * hour }],
  deadLetters: {
    count: 1200,
    since: now - hour,
    groups: 2,
    largest: { errorClass: 'internal', pattern: 'directory answered <n>', count: 1100 },
    sources: [{ name: 'certbot:eu', count: 1200 }],
  },
  notices: { count: 9, since: now - hour, channels: [{ name: 'pager', count: 9 }] },
  silent: [
    { source: 'certbot', clusterId: 'eu', since: now - 24 * hour, expectedIntervalMs: hour },
    { source: 'lego', clusterId: null, since: now - 48 * hour, expectedIntervalMs: 4 * minute },
  ],
  queue: { pending: 7, overdueSince: now - 6 * minute },
  spikes: [{ errorClass: 'internal', recent: 300, usual: 2 }],
  loops: { events: 1, since: now - hour },
};

describe('attentionOf', () => {
  it('says nothing where all is well, and what it looked at', () => {
    expect(attentionOf(well, now)).toEqual({ items: [], well: attentionKinds });
  });

  it('puts the worst first, and of one kind the oldest', () => {
    const { items, well: rest } = attentionOf(ill, now);
    expect(items.map(({ title }) => title)).toEqual([
      '3 domains are past the time to renew',
      '1 domain has a certificate that clients reject, or failed to get one',
      '7 events wait and the queue does not get to them',
      '1,200 events gave up, 2 kinds of error',
      '1 domain was renewed but still serves the old certificate',
      'lego is silent',
      'certbot:eu is silent',
      '9 notifications could not be delivered',
      '300 tries failed within 10 minutes: internal',
      '1 event fails again however often it is replayed',
    ]);
    expect(rest).toEqual([]);
  });

  it('says for whom, since when, how many and where to go', () => {
    const [breach, tlsError, , letters] = attentionOf(ill, now).items;
    expect(breach).toMatchObject({
      severity: 'critical',
      count: 3,
      since: now - hour,
      detail: 'First: pay.example, expires in 9 hours',
      forWhom: { unit: 'org', more: 0 },
      link: { list: 'domains', query: { sla: 'breach' } },
    });
    expect(tlsError).toMatchObject({
      detail: 'First: a.example, expired 60 minutes ago; expired',
      forWhom: { more: 2 },
    });
    expect(tlsError?.forWhom?.shares).toHaveLength(3);
    expect(letters?.detail).toBe('1,100 of them: internal: directory answered <n>');
  });

  it.each([
    [5 * minute - 1, false],
    [5 * minute, true],
  ])('takes a queue for stuck once an event is overdue for five minutes: %i ms', (overdue, stuck) => {
    const { items } = attentionOf({ ...well, queue: { pending: 1, overdueSince: now - overdue } }, now);
    expect(items.length > 0).toBe(stuck);
  });

  it('calls nothing well that it may not know', () => {
    const { items, well: rest } = attentionOf({ ...well, silent: null, queue: null, spikes: null }, now);
    expect(items).toEqual([]);
    expect(rest).toEqual(['breach', 'tls_error', 'dead_letters', 'drift', 'notices', 'replay_loop']);
  });
});
