import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { merged } from './merged.ts';

describe('merged', () => {
  it('does once what is asked for at once, and again what is asked meanwhile', async () => {
    const runs: string[][] = [];
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const work = merged<string>(5, async (items) => {
      runs.push([...items]);
      if (runs.length === 1) await held;
    });
    work.ask(['a']);
    work.ask(['b', 'a']);
    await waitFor(() => runs.length === 1);
    work.ask(['a', 'c']);
    work.ask(['c']);
    await sleep(20);
    expect(runs).toEqual([['a', 'b']]);
    release();
    await waitFor(() => runs.length === 2);
    expect(runs[1]).toEqual(['a', 'c']);
    work.ask(['d']);
    await waitFor(() => runs.length === 3);
  });

  it('goes on after a failure', async () => {
    let runs = 0;
    const work = merged<string>(1, async () => {
      runs += 1;
      if (runs === 1) throw new Error('away');
    });
    work.ask(['a']);
    await waitFor(() => runs === 1);
    work.ask(['a']);
    expect(await waitFor(() => runs === 2)).toBe(true);
  });

  it('does nothing once closed', async () => {
    let runs = 0;
    const work = merged<string>(5, async () => {
      runs += 1;
    });
    work.ask(['a']);
    work.close();
    await sleep(20);
    expect(runs).toBe(0);
  });
});
