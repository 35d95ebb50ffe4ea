import { describe, expect, it } from 'vitest';
import type { Look, Verdict } from '../lifecycle/served.ts';
import { withoutForeignFamily } from './families.ts';

const look = (address: string, verdict: Verdict): Look => ({
  address,
  verdict,
  error: null,
  depth: 'full',
  certificateRef: null,
  certificate: null,
  checkedAt: 1,
  durationMs: 1,
});
const v4 = look('192.0.2.1:443', 'ok');
const v6 = look('[2001:db8::1]:443', 'unreachable');

describe('withoutForeignFamily', () => {
  it('leaves out what a machine without IPv6 cannot judge', () => {
    expect(withoutForeignFamily([v4, v6], () => false)).toEqual([v4]);
  });

  it.each([
    ['the machine has IPv6', [v4, v6], true],
    ['nothing else was looked at', [v6], false],
    ['it was refused, not unreachable', [v4, look('[2001:db8::1]:443', 'connection_refused')], false],
    ['it is an IPv4 address', [v4, look('192.0.2.2:443', 'unreachable')], false],
  ] as const)('keeps all when %s', (_, looks, has) => {
    expect(withoutForeignFamily(looks, () => has)).toEqual(looks);
  });
});
