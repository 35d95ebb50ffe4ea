// `npm run chaos`: a whole installation under faults, and a checker that says what was lost.
import { type ChaosOptions, parseOptions, usage } from './options.ts';
import { type Result, runScenario } from './run.ts';
import type { Scenario } from './scenario.ts';
import { scenariosOf } from './scenarios/index.ts';
import { tables } from './table.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const chosen = (all: readonly Scenario[], { rows, only }: ChaosOptions): Scenario[] => {
  const unknown = [
    ...rows.filter((row) => !all.some((one) => one.row === row)).map((row) => `row ${row}`),
    ...only.filter((name) => !all.some((one) => one.name === name)),
  ];
  if (unknown.length > 0) throw new Error(`there is no scenario for ${unknown.join(', ')}; see --list`);
  if (rows.length + only.length === 0) return [...all];
  return all.filter(({ row, name }) => (row !== null && rows.includes(row)) || only.includes(name));
};

const runAll = async (scenarios: readonly Scenario[], options: ChaosOptions): Promise<Result[]> => {
  const results: Result[] = [];
  for (const seed of options.seeds) {
    for (const scenario of scenarios) {
      for (const backend of options.backends) {
        if (scenario.backends !== undefined && !scenario.backends.includes(backend)) continue;
        say(`\n${scenario.row === null ? '' : `row ${scenario.row}, `}${scenario.name}: ${scenario.title}`);
        const result = await runScenario(scenario, { backend, seed, print: say });
        say(`${result.ok ? 'ok' : 'BROKEN'}; log in ${result.dir}`);
        results.push(result);
      }
    }
  }
  return results;
};

const main = async (): Promise<number> => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const all = scenariosOf(options);
  const scenarios = chosen(all, options);
  if (options.list) {
    for (const { row, name, title } of scenarios) console.log(`${String(row ?? '').padStart(2)}  ${name}: ${title}`);
    return 0;
  }
  const results = await runAll(scenarios, options);
  console.log(options.json ? JSON.stringify(results, null, 2) : tables(results));
  return results.every(({ ok }) => ok) ? 0 : 1;
};

// So that servers and processes that were started end with this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  process.exit(await main());
} catch (error) {
  say(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exit(2);
}
