import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { followClock } from './clock.ts';

const hour = 3_600_000;

/** A shared clock, one of the host and one that only goes forward, all set by hand. */
const open = async ({ shared = 1_000_000, own = 1_000_000, everyMs = 5, wayMs = 0 } = {}) => {
  const times = { shared, own, elapsed: 77, wayMs };
  const followed: number[] = [];
  const skews: number[] = [];
  const errors: unknown[] = [];
  const fault: { error: Error | null } = { error: null };
  const answers = { count: 0 };
  const clock = await followClock(
    {
      shared: () => {
        times.elapsed += times.wayMs;
        answers.count += 1;
        return fault.error === null ? Promise.resolve(times.shared + times.wayMs / 2) : Promise.reject(fault.error);
      },
      own: () => times.own,
      elapsed: () => times.elapsed,
    },
    {
      everyMs,
      onFollowed: (ms) => followed.push(ms),
      onSkew: (ms) => skews.push(ms),
      onError: (error) => errors.push(error),
    },
  );
  onTestFinished(clock.stop);
  const pass = (ms: number): void => {
    times.shared += ms;
    times.own += ms;
    times.elapsed += ms;
  };
  const untilAsked = async (): Promise<void> => {
    const wanted = answers.count + 2;
    while (answers.count < wanted) await sleep(1);
  };
  return { clock, times, followed, skews, errors, fault, pass, untilAsked };
};

describe('a clock that follows the shared one', () => {
  it('is right from its first moment, whatever this host says', async () => {
    const { clock, followed, skews, pass } = await open({ own: 1_000_000 + hour });
    expect(clock.now()).toBe(1_000_000);
    expect(followed).toEqual([hour]);
    expect(skews).toEqual([hour]);
    pass(250);
    expect(clock.now()).toBe(1_000_250);
  });

  it.each([hour, -hour])(
    'does not notice that this host is set by %i ms, but tells of it once, and of its end',
    async (by) => {
      const { clock, times, skews, untilAsked } = await open();
      times.own += by;
      expect(clock.now()).toBe(1_000_000);
      await untilAsked();
      expect(clock.now()).toBe(1_000_000);
      times.own -= by;
      await untilAsked();
      expect(skews).toEqual([by, 0]);
    },
  );

  it('follows when the shared clock is set', async () => {
    const { clock, times, untilAsked } = await open();
    times.shared -= hour;
    await untilAsked();
    expect(clock.now()).toBe(1_000_000 - hour);
  });

  it('takes the middle of the way for the moment of an answer', async () => {
    const { clock, times } = await open({ shared: 1_000_000 + hour, wayMs: 1000, everyMs: hour });
    // The answer was given halfway, and as long ago it came.
    expect(times.elapsed).toBe(1077);
    expect(clock.now()).toBe(1_000_000 + hour + 1000);
  });

  it('does not believe an answer that took long', async () => {
    const { clock, times, untilAsked } = await open();
    times.shared += hour;
    times.wayMs = 2001;
    await untilAsked();
    expect(clock.now()).toBeLessThan(1_000_000 + hour / 2);
  });

  it('goes on by itself while nobody answers', async () => {
    const { clock, errors, fault, pass, untilAsked } = await open();
    fault.error = new Error('away');
    pass(5000);
    await untilAsked();
    expect(clock.now()).toBe(1_005_000);
    expect(errors).toContain(fault.error);
  });
});
