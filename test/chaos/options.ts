import { parseArgs } from 'node:util';
import type { Backend } from './scenario.ts';

export const usage = `npm run chaos -- [options]
  --rows 1,5,14   rows of the fault matrix (docs/reliability.md); default: all, and the figures beside them
  --only NAME     one scenario by its name; may be given again
  --backend B     redis, postgres or both (both)
  --seed N        first seed (1)
  --seeds N       so many seeds, one after the other (1)
  --events N      events of the mix, row 35 (100000)
  --faults N      kills of the mix, row 35 (20); there are a Redis rollback for every 7 and a FLUSHALL for every 10 beside them
  --list          print the scenarios and end
  --json          print the results as JSON
Every run keeps its log, what was sent and what was answered below .data/chaos.`;

export interface ChaosOptions {
  readonly rows: readonly number[];
  readonly only: readonly string[];
  readonly backends: readonly Backend[];
  readonly seeds: readonly number[];
  readonly events: number;
  readonly faults: number;
  readonly list: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

const backendsOf: Readonly<Record<string, readonly Backend[]>> = {
  redis: ['redis'],
  postgres: ['postgres'],
  both: ['redis', 'postgres'],
};

const whole = (name: string, text: string, least: number): number => {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least)
    throw new Error(`--${name} must be a whole number from ${least} on`);
  return Number(text);
};

/** Reads the command line. @throws Error that says what is wrong with it. */
export const parseOptions = (args: readonly string[]): ChaosOptions => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      only: { type: 'string', multiple: true },
      backend: { type: 'string', default: 'both' },
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      events: { type: 'string', default: '100000' },
      faults: { type: 'string', default: '20' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const backends = backendsOf[values.backend];
  if (backends === undefined) throw new Error('--backend must be redis, postgres or both');
  const first = whole('seed', values.seed, 0);
  return {
    rows: (values.rows ?? '')
      .split(',')
      .filter((row) => row.trim() !== '')
      .map((row) => whole('rows', row.trim(), 1)),
    only: values.only ?? [],
    backends,
    seeds: Array.from({ length: whole('seeds', values.seeds, 1) }, (_, index) => first + index),
    events: whole('events', values.events, 1),
    faults: whole('faults', values.faults, 0),
    list: values.list,
    json: values.json,
    help: values.help,
  };
};
