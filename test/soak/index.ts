// `npm run soak`: the product under a steady load for an hour, and whether anything it uses keeps growing.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type SoakOptions, readOptions, usage } from './options.ts';
import { csv, table } from './report.ts';
import { soak, type Verdict } from './run.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const keep = ({ backend, samples }: Verdict, { folder }: SoakOptions): string => {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `soak-${backend}-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.csv`);
  writeFileSync(file, csv(samples));
  return file;
};

const tell = (verdict: Verdict, options: SoakOptions): void => {
  const { backend, lines, wrong } = verdict;
  const file = keep(verdict, options);
  if (options.json) process.stdout.write(`${JSON.stringify({ backend, lines, wrong })}\n`);
  else process.stdout.write(`\n${table(lines)}\n\n`);
  say(wrong.length === 0 ? `${backend}: flat` : `${backend}: NOT WELL\n${wrong.map((text) => `  ${text}`).join('\n')}`);
  say(`samples: ${file}`);
};

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  for (const backend of options.backends) {
    const verdict = await soak(backend, options, say);
    tell(verdict, options);
    if (verdict.wrong.length > 0) process.exitCode = 1;
  }
};

// A run that is broken off ends through exit, where the programs it started are ended.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
});
