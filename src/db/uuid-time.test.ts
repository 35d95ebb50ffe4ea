import * as fc from 'fast-check';
import { v7 as uuidv7, validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { firstIdAt } from './uuid-time.ts';

describe('firstIdAt', () => {
  const ms = fc.integer({ min: 0, max: 2 ** 48 - 1 });

  it('is a version 7 UUID', () => {
    fc.assert(
      fc.property(ms, (at) => {
        expect(validate(firstIdAt(at))).toBe(true);
        expect(version(firstIdAt(at))).toBe(7);
      }),
      cases(),
    );
  });

  it('is not above any id of its millisecond, and above those before', () => {
    fc.assert(
      fc.property(ms, ms, (a, b) => {
        const id = uuidv7({ msecs: a });
        expect(id >= firstIdAt(b)).toBe(a >= b);
      }),
      cases(),
    );
    const none = new Uint8Array(16);
    expect(uuidv7({ msecs: 1234, random: none, seq: 0 })).toBe(firstIdAt(1234));
  });
});
