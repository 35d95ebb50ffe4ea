import { describe, expect, it } from 'vitest';
import { placeOf } from './address.ts';

describe('where attempts come from', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['nonsense', 'unknown'],
    [null, 'unknown'],
  ])('%s: %s', (address, place) => {
    expect(placeOf(address)).toBe(place);
  });
});
