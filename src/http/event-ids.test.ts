import { validate, version } from 'uuid';
import { describe, expect, it } from 'vitest';
import { eventIds } from './event-ids.ts';

describe('event ids', () => {
  it('are version 7, unique and rising, within a millisecond and when the clock steps back', () => {
    const next = eventIds();
    const times = Array.from({ length: 5000 }, (_, index) => 1_700_000_000_000 + Math.floor(index / 700) - (index % 5));
    const ids = times.map((time) => next(time));
    expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  it('carry the time they are given', () => {
    expect(Number.parseInt(eventIds()(1234).replaceAll('-', '').slice(0, 12), 16)).toBe(1234);
  });
});
