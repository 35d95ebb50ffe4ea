import { describe, expect, it } from 'vitest';
import { judge, type Point, theilSen } from './slope.ts';

const run = (value: (hours: number, index: number) => number): Point[] =>
  Array.from({ length: 121 }, (_, index) => ({ hours: index / 120, value: value(index / 120, index) }));
const limit = { share: 0.1, least: 5 };
// Noise that is the same in every run.
const noise = (index: number): number => ((index * 7919) % 13) - 6;

describe('the slope of a run', () => {
  it('is that of most pairs, whatever a few points show', () => {
    expect(theilSen(run((hours) => 3 * hours))).toBeCloseTo(3);
    expect(theilSen(run((hours, index) => (index % 6 === 0 ? 1000 : 3 * hours)))).toBeCloseTo(3, 0);
  });

  it('is flat where nothing grows, where it falls, and where only the beginning grows', () => {
    expect(
      judge(
        run((_, index) => 100 + noise(index)),
        limit,
      ).flat,
    ).toBe(true);
    expect(
      judge(
        run((hours) => 100 - 50 * hours),
        limit,
      ).flat,
    ).toBe(true);
    expect(
      judge(
        run((hours, index) => Math.min(100, 900 * hours) + noise(index)),
        limit,
      ).flat,
    ).toBe(true);
  });

  it('is not flat where a tenth is gained in an hour', () => {
    expect(
      judge(
        run((hours, index) => 100 + 13 * hours + noise(index) / 10),
        limit,
      ),
    ).toMatchObject({ flat: false });
    expect(
      judge(
        run((hours) => 100 + 8 * hours),
        limit,
      ).flat,
    ).toBe(true);
  });

  it('leaves small figures some room', () => {
    expect(
      judge(
        run((hours) => 10 + 4 * hours),
        limit,
      ).flat,
    ).toBe(true);
    expect(
      judge(
        run((hours) => 10 + 6 * hours),
        limit,
      ).flat,
    ).toBe(false);
  });

  it('gives a short run the room of a window of forty minutes', () => {
    const short = (slope: number) =>
      run((hours) => 10 + slope * hours).map((point) => ({ ...point, hours: point.hours / 10 }));
    expect(judge(short(6), limit)).toMatchObject({ flat: false, slope: expect.closeTo(60) as number });
    expect(judge(short(4), limit).flat).toBe(true);
  });

  it('needs something to judge by', () => {
    expect(() => judge(run(() => 1).slice(0, 3), limit)).toThrow('too short');
  });
});
