import { describe, expect, it } from 'vitest';
import { atMost } from './at-most.ts';

describe('at most so many works at once', () => {
  it('begins further ones in the order they came, as soon as one has ended, well or not', async () => {
    const run = atMost(2);
    const begun: number[] = [];
    const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
    const works = [0, 1, 2, 3].map((n) =>
      run(async () => {
        begun.push(n);
        await new Promise<void>((resolve, reject) => {
          ends[n] = { resolve, reject };
        });
        return n;
      }),
    );
    expect(begun).toEqual([0, 1]);
    ends[1]?.reject(new Error('broken'));
    await expect(works[1]).rejects.toThrow('broken');
    await expect.poll(() => begun).toEqual([0, 1, 2]);
    ends[0]?.resolve();
    await expect.poll(() => begun).toEqual([0, 1, 2, 3]);
    ends[2]?.resolve();
    ends[3]?.resolve();
    expect(await Promise.all([works[0], works[2], works[3]])).toEqual([0, 2, 3]);
    expect(await run(() => Promise.resolve('free again'))).toBe('free again');
  });
});
