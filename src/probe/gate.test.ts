import { describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { createGate, nextLimit } from './gate.ts';

describe('nextLimit', () => {
  it('falls by a quarter while the event loop lags, to sixteen at least, and rises again', () => {
    expect(nextLimit(256, 256, 51)).toBe(192);
    expect(nextLimit(20, 256, 500)).toBe(16);
    expect(nextLimit(4, 4, 500)).toBe(4);
    expect(nextLimit(192, 256, 50)).toBe(208);
    expect(nextLimit(250, 256, 0)).toBe(256);
  });
});

describe('createGate', () => {
  it('lets so many in, and the next one when a place is free', async () => {
    const gate = createGate(2);
    const leave = await gate.enter();
    const second = await gate.enter();
    let entered = false;
    const third = gate.enter().then((free) => {
      entered = true;
      return free;
    });
    await Promise.resolve();
    expect([entered, gate.inside()]).toEqual([false, 2]);
    leave();
    leave();
    (await third)();
    second();
    expect(gate.inside()).toBe(0);
    gate.close();
  });

  it('makes room for others when the ones inside only wait, up to a bound', async () => {
    const gate = createGate(1);
    const leaves = await Promise.all(Array.from({ length: 9 }, () => gate.enter()));
    expect(gate.inside()).toBe(9);
    let entered = false;
    const tenth = gate.enter().then((leave) => {
      entered = true;
      return leave;
    });
    // Eight are parked and one works; the tenth comes in when one of them goes.
    const last = leaves.pop();
    leaves[0]?.();
    await waitFor(() => entered);
    for (const leave of [...leaves, last, await tenth]) leave?.();
    expect(gate.inside()).toBe(0);
    gate.close();
  });
});
