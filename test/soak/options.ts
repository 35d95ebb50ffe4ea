import { parseArgs } from 'node:util';
import type { Backend } from '../support/site.ts';

export interface SoakOptions {
  readonly rate: number;
  readonly minutes: number;
  readonly backends: readonly Backend[];
  readonly everySeconds: number;
  readonly seed: number;
  readonly folder: string;
  readonly json: boolean;
}

export const usage = `npm run soak -- [options]
  --rate N        events a second (200)
  --minutes N     length of the run (60)
  --backend NAME  redis, postgres or both (redis)
  --every N       seconds between samples (a 120th of the run, 5 to 30)
  --seed N        of the events (1)
  --out DIR       where the samples go as CSV (.data)
  --json          print the verdict as JSON

Runs an API and a worker of the product on servers of its own, offers them events at a steady rate and samples what they
use. Ends with 1 when a figure rises over the last two thirds of the run by more than its limit (Theil-Sen slope), when
an event was refused or lost, or when the ledger has a flaw.`;

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a number above 0`);
  return value;
};

const backendsOf = (name: string): readonly Backend[] => {
  if (name === 'both') return ['redis', 'postgres'];
  if (name === 'redis' || name === 'postgres') return [name];
  throw new Error('--backend takes redis, postgres or both');
};

/** The options of the command line; null when only help is asked for. */
export const readOptions = (args: readonly string[]): SoakOptions | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rate: { type: 'string', default: '200' },
      minutes: { type: 'string', default: '60' },
      backend: { type: 'string', default: 'redis' },
      every: { type: 'string' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string', default: '.data' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const minutes = positive('minutes', values.minutes);
  return {
    rate: positive('rate', values.rate),
    minutes,
    backends: backendsOf(values.backend),
    everySeconds: values.every === undefined ? Math.min(30, Math.max(5, minutes / 2)) : positive('every', values.every),
    seed: positive('seed', values.seed),
    folder: values.out,
    json: values.json,
  };
};
