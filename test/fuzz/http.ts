import { randomOf } from '../chaos/random.ts';
import { createSender, type Reaction } from './client.ts';
import { slopeOf, watchMemory } from './memory.ts';
import { createTally, type FuzzReport, printable } from './report.ts';
import { type Attack, goodRequest, nextAttack } from './requests.ts';
import { goodBody, type Stage } from './stage.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly count: number;
  /** Told now and then how many cases are done. */
  readonly onProgress?: (cases: number) => void;
}

const senders = 32;
/** MB a minute that a process may grow by once it has settled, over a run that is long enough to tell. */
const mostGrowth = 3;
const tellingSeconds = 300;

// What passes through the program is counted by the minute, whoever sent it.
const bounded: readonly string[] = ['pipe_activity'];

const changed = (before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): string[] =>
  Object.keys(after)
    .filter((table) => after[table] !== before[table] && !bounded.includes(table))
    .map((table) => `${table} ${before[table] ?? 0} → ${after[table] ?? 0}`);

/** What is wrong with a reaction; null where nothing is. */
const faultOf = ({ kind, broken }: Attack, { status, text, silent }: Reaction): string | null => {
  if (silent) return `${kind}: nothing came back`;
  if (status === null) return null;
  if (status >= 500) return `${kind}: answered ${status}`;
  if (status >= 200 && status < 300 && broken) return `${kind}: answered ${status} although it breaks a rule`;
  if (status === 202 && !text.includes('"duplicate":true')) return `${kind}: a new event was accepted`;
  return null;
};

/**
 * Sends good requests that were broken, until `count` of them were not taken for good ones. Wants: no 5xx, an answer or an end for
 * each, no row in any table, no growth of memory, and a program that goes on.
 */
export const fuzzHttp = async (stage: Stage, { seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> => {
  const random = randomOf(seed);
  const tally = createTally();
  const known = Array.from({ length: 40 }, () => Buffer.from(JSON.stringify(goodBody(random))));
  const first = createSender(stage.port);
  for (const body of known) {
    const { status } = await first.send(goodRequest(body, Date.now()), false);
    if (status !== 202) throw new Error(`a good request was answered ${String(status)}`);
  }
  first.close();
  const before = await stage.countRows();
  const memory = watchMemory(stage.app.pid, 500);
  const started = performance.now();
  let cases = 0;
  const sendAll = async (): Promise<void> => {
    const sender = createSender(stage.port);
    while (cases < count && !stage.app.hasExited()) {
      const at = cases;
      const attack = nextAttack(random, known, Date.now());
      cases += 1;
      const reaction = await sender.send(attack.bytes, attack.last);
      tally.count(`${attack.kind} ${String(reaction.status ?? 'hung up')}`);
      const fault = faultOf(attack, reaction);
      if (fault !== null) tally.flaw(fault, printable(attack.bytes), at);
      if (reaction.status === 202) cases -= 1;
      else if (at > 0 && at % 10_000 === 0) onProgress?.(at);
    }
    sender.close();
  };
  await Promise.all(Array.from({ length: senders }, sendAll));
  const seconds = (performance.now() - started) / 1000;
  const samples = memory.stop();
  for (const table of changed(before, await stage.countRows())) tally.flaw(`rows were written: ${table}`, '', cases);
  if (!(await stage.isWell()))
    tally.flaw('the program does not take good events any more', stage.app.output().slice(-2000), cases);
  const slope = slopeOf(samples);
  if (seconds >= tellingSeconds && slope > mostGrowth)
    tally.flaw(`memory grows by ${slope.toFixed(1)} MB a minute`, '', cases);
  const last = samples.at(-1)?.rss ?? 0;
  return {
    target: 'http',
    seed,
    cases,
    seconds,
    answers: tally.answers,
    flaws: tally.flaws,
    figures: {
      'malformed requests a second': (cases / seconds).toFixed(0),
      'memory at the start and end': `${(samples[0]?.rss ?? 0).toFixed(0)} and ${last.toFixed(0)} MB`,
      'slope of memory, last two thirds': `${slope.toFixed(2)} MB a minute`,
    },
  };
};
