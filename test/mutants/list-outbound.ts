import type { Mutant } from './mutant.ts';

const outbox = 'test/integration/outbox.test.ts';
const guard = 'src/net/address-guard.test.ts';

/** Notices, and whatever else goes out. */
export const outboundMutants: readonly Mutant[] = [
  {
    name: 'random-outbox-id',
    fault: 'a notice that is decided again has another id',
    file: 'src/lifecycle/notice-id.ts',
    find: 'const name = JSON.stringify([alertKey, cycle, firedAt, at, kind, action, channel]);',
    replace: 'const name = JSON.stringify([alertKey, cycle, firedAt, at, kind, action, channel, Math.random()]);',
    suite: { file: 'src/lifecycle/notice-id.test.ts' },
  },
  {
    name: 'new-id-each-try',
    fault: 'a webhook bears another id with each try',
    file: 'src/notify/webhook.ts',
    find: 'const headers = { ...json, ...standardHeaders(notice.id, Math.floor(now() / 1000), body, secret) };',
    replace:
      'const headers = { ...json, ...standardHeaders(`${notice.id}-${Math.random()}`, Math.floor(now() / 1000), body, secret) };',
    suite: { file: 'test/notify/payloads.test.ts', only: 'under an id that stays' },
  },
  {
    name: 'cooldown-race',
    fault: 'two passes decide the same notice at once',
    file: 'src/db/settle.ts',
    find: 'order by d.id for update of d skip locked`;',
    replace: 'order by d.id`;',
    suite: { file: outbox, only: 'has two passes at once say everything once' },
  },
  {
    name: 'no-cooldown',
    fault: 'what fires is told again with every pass',
    file: 'src/lifecycle/alerts.ts',
    find: 'if (dueAt > now) return { told: before, channels: [], next: dueAt };',
    replace: '',
    suite: {
      file: 'src/lifecycle/alerts.test.ts',
      only: 'no key has two notices of one certificate within the cooldown',
    },
  },
  {
    name: 'no-delivery-lease',
    fault: 'a notice that is being delivered is lent to another as well',
    file: 'src/db/deliveries.ts',
    find: 'set next_attempt_at = to_timestamp(${now + leaseMs} / 1000.0)',
    replace: 'set next_attempt_at = to_timestamp(${now + 0 * leaseMs} / 1000.0)',
    suite: { file: outbox, only: 'lends a row to one run only, until the lease ends' },
  },
  {
    name: 'late-outcome-counts',
    fault: 'the outcome of a run that lost its lease overwrites a later one',
    file: 'src/db/deliveries.ts',
    find: "where n.seq = u.seq and n.tries = u.tries and n.requeues = u.requeues and n.status in ('pending', 'failed')",
    replace: 'where n.seq = u.seq',
    suite: { file: outbox, only: 'takes the outcome of a run that lost its lease for nothing but a try' },
  },
  {
    name: 'retry-after-ignored',
    fault: 'a receiver that says when to come again is not heard',
    file: 'src/lifecycle/delivery.ts',
    find: 'if (retryAfterMs === null) return own;',
    replace: 'if (retryAfterMs === null || retryAfterMs >= 0) return own;',
    suite: { file: 'src/lifecycle/delivery.test.ts', only: 'Retry-After' },
  },
  {
    name: 'no-ssrf-check',
    fault: 'every address may be connected to',
    file: 'src/net/address-guard.ts',
    find: 'return allowed.some(isIn) ? null : reasonAgainst(address);',
    replace: 'return allowed.some(isIn) || written.toString() !== text ? null : null;',
    suite: { file: guard, only: 'refuses what the operator refuses|tells why' },
  },
  {
    name: 'mapped-addresses',
    fault: 'an IPv4 address written as IPv6 passes the guard unseen',
    file: 'src/net/address-guard.ts',
    find: 'if (!within(address, mapped) && !within(address, nat64)) return address;',
    replace: 'if (!within(address, mapped) || within(address, mapped)) return address;',
    suite: { file: guard, only: 'of its IPv4-mapped and NAT64 forms' },
  },
  {
    name: 'peer-not-rechecked',
    fault: 'a probe takes the connection wherever it led',
    file: 'src/probe/connection.ts',
    find: 'return peer !== undefined && (peer === endpoint.address || guard(peer) === null);',
    replace: 'return peer !== undefined && guard !== undefined;',
    suite: { file: 'test/probe/peer.test.ts', only: 'a probe' },
  },
  {
    name: 'webhook-peer-not-rechecked',
    fault: 'a webhook takes the connection wherever it led',
    file: 'src/notify/dial.ts',
    find: "const reason = guard(socket.remoteAddress ?? '');",
    replace: 'const reason: string | null = null;',
    suite: { file: 'test/probe/peer.test.ts', only: 'a webhook' },
  },
  {
    name: 'no-probe-deadline',
    fault: 'a server that says nothing holds a probe for ever',
    file: 'src/probe/deadline.ts',
    find: 'if (!isOver) onLate();',
    replace: 'if (!isOver && ms < 0) onLate();',
    suite: { file: 'src/probe/deadline.test.ts' },
  },
];
