import { describe, expect, it } from 'vitest';
import { backends } from '../support/site.ts';
import { runScenario } from './run.ts';
import { mix } from './scenarios/mix.ts';

// A small part of what `npm run chaos` does; more events, faults and seeds are its own options.
const size = { events: 1000, faults: 4 };
const seed = 5;

describe('a mix of faults', () => {
  it.each(backends)('on %s loses nothing and does nothing twice', { timeout: 300_000 }, async (backend) => {
    const said: string[] = [];
    const { errors, verdict } = await runScenario(mix(size), { backend, seed, print: (line) => said.push(line) });
    if (errors.length > 0) throw new Error([...errors, ...said].join('\n'));
    expect(verdict?.flaws).toEqual([]);
    expect(verdict).toMatchObject({ lost: 0, doubled: 0, orphaned: 0, notificationsSplit: 0 });
    expect(verdict?.accepted).toBeGreaterThanOrEqual(size.events);
    expect(verdict?.notifications).toBeGreaterThan(0);
  });
});
