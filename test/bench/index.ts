// `npm run bench`: what the product does on this machine, measured against its ceilings and, with --peers, other queues.
import { mkdirSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { deadLetters } from './dead-letters.ts';
import { drain, drainMillion } from './drain.ts';
import { e2e } from './e2e.ts';
import { type Infrastructure, startInfrastructure } from './infrastructure.ts';
import { ingest } from './ingest.ts';
import { memory } from './memory.ts';
import { notify } from './notify.ts';
import { offered } from './offered.ts';
import { installPeers } from './peer-install.ts';
import { probeScale } from './probe-scale.ts';
import { probe } from './probe.ts';
import { hottest } from './profile.ts';
import type { Case, Options } from './run.ts';
import { scale } from './scale.ts';
import { type Measure, medians } from './stats.ts';
import { tables } from './table.ts';
import { verdicts } from './targets.ts';

const usage = `npm run bench -- [options]
  --only CASE    ingest, drain, e2e, offered, memory, notify, probe, probe-scale, dead-letters or scale; may be given again
                 (default: ingest, drain, e2e, offered)
  --rounds N     rounds, of which the medians are shown (3)
  --seconds S    length of each timed run (10)
  --peers        also pg-boss and graphile-worker, installed into .data/bench-peers
  --scale        also a drain of a million waiting events, and what a million domains and five million events cost
  --profile DIR  CPU profiles of the product's processes into DIR, and their hottest functions
  --json         print the measures as JSON`;

const cases: Readonly<Record<string, Case>> = { ingest, drain, e2e, offered, memory, notify };
/** Cases that go through their rounds by themselves. */
const once: Readonly<Record<string, Case>> = { probe, 'probe-scale': probeScale, 'dead-letters': deadLetters, scale };
const usual = ['ingest', 'drain', 'e2e', 'offered'];

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
    peers: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const machine = ({ versions }: Infrastructure, peers: string | null): string => {
  const [cpu] = cpus();
  const memoryGb = Math.round(totalmem() / 2 ** 30);
  const parts = [`${cpus().length} × ${cpu?.model ?? 'unknown CPU'}`, `${memoryGb} GB`, `Linux ${release()}`, versions];
  return [...parts, ...(peers === null ? [] : [peers])].join(', ');
};

const measureAll = async (
  infrastructure: Infrastructure,
  options: Options,
  names: readonly string[],
): Promise<Measure[]> => {
  const rounds: Measure[] = [];
  const run = async (name: string, measure: Case): Promise<void> => {
    say(`  ${name}`);
    try {
      rounds.push(...(await measure(infrastructure, options)));
    } catch (error) {
      // What the other cases measured still counts.
      say(`  ${name} failed: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  };
  for (let round = 1; round <= options.rounds; round += 1) {
    say(`round ${round} of ${options.rounds}`);
    for (const name of names) if (cases[name] !== undefined) await run(name, cases[name]);
  }
  if (options.scale && names.includes('drain')) await run('drain of a million', drainMillion);
  for (const name of names) if (once[name] !== undefined) await run(name, once[name]);
  return medians(rounds);
};

const main = async (): Promise<void> => {
  const names = [...(args.only ?? usual), ...(args.scale && args.only === undefined ? ['scale'] : [])];
  const unknown = names.filter((name) => cases[name] === undefined && once[name] === undefined);
  const [rounds, seconds] = [Number(args.rounds), Number(args.seconds)];
  if (args.help || unknown.length > 0 || !(rounds >= 1) || !(seconds >= 1)) {
    say(usage);
    process.exitCode = args.help ? 0 : 2;
    return;
  }
  const peers = args.peers ? installPeers() : null;
  const profiles = args.profile ?? null;
  if (profiles !== null) mkdirSync(profiles, { recursive: true });
  const infrastructure = await startInfrastructure();
  try {
    const on = machine(infrastructure, peers);
    say(on);
    const measures = await measureAll(
      infrastructure,
      { rounds, seconds, peers: args.peers, scale: args.scale, profiles },
      names,
    );
    if (args.json) console.log(JSON.stringify({ machine: on, rounds, seconds, measures }, null, 2));
    else console.log([on, '', tables(measures), '', ...verdicts(measures)].join('\n'));
  } finally {
    await infrastructure.stop();
  }
  if (profiles !== null) say(hottest(profiles).join('\n'));
};

await main();
