import { describe, expect, it } from 'vitest';
import { createPace, nextTurn } from './pace.ts';

describe('nextTurn', () => {
  it('lets a burst of twenty through and spreads what follows', () => {
    const waits: number[] = [];
    let fullAt = 0;
    for (let turn = 0; turn < 23; turn += 1) {
      const next = nextTurn(fullAt, 1_000_000, 20);
      waits.push(next.waitMs);
      ({ fullAt } = next);
    }
    expect(waits.slice(0, 20)).toEqual(Array(20).fill(0));
    expect(waits.slice(20)).toEqual([50, 100, 150]);
    expect(nextTurn(fullAt, 1_002_000, 20).waitMs).toBe(0);
  });
});

describe('createPace', () => {
  const { signal } = new AbortController();

  it('keeps addresses apart, and lets the exempt ones through', async () => {
    const pace = createPace(
      0.001,
      (address) => address === '10.0.0.1',
      () => 5,
    );
    const turns = (address: string, count: number) => Array.from({ length: count }, () => pace.turn(address, signal));
    const free = [...turns('192.0.2.1', 20), ...turns('192.0.2.2', 1), ...turns('10.0.0.1', 50)];
    await expect(Promise.all(free)).resolves.toHaveLength(71);
  });

  it('counts connections that did not wait, and ends a wait when told to', async () => {
    const pace = createPace(
      0.001,
      () => false,
      () => 5,
    );
    for (let turn = 0; turn < 20; turn += 1) pace.count('192.0.2.1');
    const closing = new AbortController();
    const turn = pace.turn('192.0.2.1', closing.signal);
    closing.abort();
    await expect(turn).rejects.toThrow('abort');
  });
});
