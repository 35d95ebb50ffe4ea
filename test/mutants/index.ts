import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { checkMutants, type Verdict } from './check.ts';
import { mutants } from './list.ts';
import type { Mutant } from './mutant.ts';
import { writeTable } from './table.ts';
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
  .option('--only <names>', 'mutants to check, separated by commas; the table keeps what it says of the others')
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

const commit = (): string =>
  execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();

const main = async (): Promise<void> => {
  const wanted = chosen();
  if (options.list === true) {
    for (const { name, fault, suite } of wanted) print(`${name}: ${fault} (${suite.file})`);
    return;
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));
  const started = performance.now();
  const verdicts = await checkMutants(wanted, Number(options.lanes), tell);
  const caught = verdicts.filter(({ kind }) => kind === 'caught').length;
  const minutes = ((performance.now() - started) / 60_000).toFixed(0);
  print(
    options.json === true
      ? JSON.stringify(verdicts, null, 2)
      : `${caught} of ${verdicts.length} caught in ${minutes} minutes`,
  );
  writeTable(
    verdicts,
    mutants.map(({ name }) => name),
    commit(),
  );
  process.exitCode = caught === verdicts.length ? 0 : 1;
};

await main();
