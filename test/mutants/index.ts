import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { checkMutants, type Verdict } from './check.ts';
import { mutants } from './list.ts';
import type { Mutant } from './mutant.ts';
import { tableOf, writeTable } from './table.ts';
import { root } from './tree.ts';

interface Options {
  readonly only?: string;
  readonly lanes: string;
  readonly json?: boolean;
  readonly list?: boolean;
}

const program = new Command('npm run chaos:mutants --')
  .description(
    'Puts each of our own faults into a copy of the sources, and expects the suite named with it to turn red. A suite is run without any first.',
  )
  .option('--only <names>', 'mutants to check, separated by commas; the table is left as it is')
  .option('--lanes <n>', 'suites at a time', String(Math.min(2, availableParallelism())))
  .option('--json', 'print the verdicts as JSON')
  .option('--list', 'print the mutants and end')
  .parse();
const options = program.opts<Options>();

const chosen = (): readonly Mutant[] => {
  if (options.only === undefined) return mutants;
  return options.only.split(',').map((name) => {
    const mutant = mutants.find((one) => one.name === name.trim());
    if (mutant === undefined) return program.error(`there is no mutant ${name}; --list shows them`);
    return mutant;
  });
};

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const tell = ({ mutant, kind, test, seconds }: Verdict): void => {
  if (options.json !== true) print(`${kind.padEnd(8)} ${mutant.name} (${seconds.toFixed(0)} s): ${test}`);
};

const aboutOf = (verdicts: readonly Verdict[], minutes: number): string => {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const caught = verdicts.filter(({ kind }) => kind === 'caught').length;
  const day = new Date().toISOString().slice(0, 10);
  return `${caught} of ${verdicts.length} caught; ${day}, commit ${commit}, Node ${process.versions.node}, ${availableParallelism()} processors, ${minutes.toFixed(0)} minutes.`;
};

const main = async (): Promise<void> => {
  const wanted = chosen();
  if (options.list === true) {
    for (const { name, fault, suite } of wanted) print(`${name}: ${fault} (${suite.file})`);
    return;
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));
  const started = performance.now();
  const verdicts = await checkMutants(wanted, Number(options.lanes), tell);
  const about = aboutOf(verdicts, (performance.now() - started) / 60_000);
  print(options.json === true ? JSON.stringify(verdicts, null, 2) : about);
  if (options.only === undefined) writeTable(tableOf(verdicts, about));
  process.exitCode = verdicts.every(({ kind }) => kind === 'caught') ? 0 : 1;
};

await main();
