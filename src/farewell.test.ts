import { describe, expect, it } from 'vitest';
import { audienceOf } from './farewell.ts';

const checks = {};

/** A process that can be asked, and a clock that only moves when told, or with the wait of a farewell. */
const stage = () => {
  let ready = true;
  let ms = 0;
  const started = performance.now();
  const audience = audienceOf(
    () => Promise.resolve({ ready, checks }),
    () => ms + performance.now() - started,
  );
  return { audience, pass: (more: number) => (ms += more), stop: () => (ready = false) };
};

const endsWithin = async (farewell: Promise<void>, waitMs: number): Promise<boolean> =>
  Promise.race([
    farewell.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), waitMs)),
  ]);

describe('the end of a process', () => {
  it('waits for nobody where nobody asks', async () => {
    const { audience, stop } = stage();
    await audience.readiness();
    stop();
    expect(await endsWithin(audience.farewell(), 100)).toBe(true);
  });

  it('waits until those who ask regularly have heard of it twice', async () => {
    const { audience, pass, stop } = stage();
    await audience.readiness();
    pass(1000);
    await audience.readiness();
    stop();
    const farewell = audience.farewell();
    expect(await endsWithin(farewell, 100)).toBe(false);
    await audience.readiness();
    expect(await endsWithin(farewell, 100)).toBe(false);
    await audience.readiness();
    expect(await endsWithin(farewell, 1000)).toBe(true);
  });

  it('waits for nobody who has stopped asking', async () => {
    const { audience, pass, stop } = stage();
    await audience.readiness();
    pass(100);
    await audience.readiness();
    pass(6000);
    stop();
    expect(await endsWithin(audience.farewell(), 100)).toBe(true);
  });

  it('waits for those who ask at uneven times', async () => {
    const { audience, pass, stop } = stage();
    await audience.readiness();
    pass(10);
    await audience.readiness();
    pass(900);
    stop();
    const farewell = audience.farewell();
    expect(await endsWithin(farewell, 100)).toBe(false);
    await audience.readiness();
    await audience.readiness();
    expect(await endsWithin(farewell, 1000)).toBe(true);
  });

  it('does not wait for ever', async () => {
    const { audience, pass, stop } = stage();
    await audience.readiness();
    pass(1000);
    await audience.readiness();
    stop();
    const farewell = audience.farewell();
    expect(await endsWithin(farewell, 50)).toBe(false);
    pass(6000);
    expect(await endsWithin(farewell, 1000)).toBe(true);
  });
});
