import { parseArgs } from 'node:util';
import { fuzzHttp, type FuzzOptions } from './http.ts';
import { fuzzJson } from './json.ts';
import { type FuzzReport, reportText } from './report.ts';
import { fuzzSchema } from './schema.ts';
import { openStage, type Stage } from './stage.ts';
import { fuzzTls } from './tls.ts';
import { fuzzUrls } from './urls.ts';

const help = `npm run fuzz -- [--target http|json|schema|tls|urls|all] [--count N] [--seed N]

Sends the program, its prober and its address check what nobody sane would, and fails when anything comes of it.
  --target  what to try; all by default
  --count   cases of each target; each has a default of its own
  --seed    repeats a run: the same seed makes the same cases
`;

const onStage =
  (role: 'serve' | 'all', fuzz: (stage: Stage, options: FuzzOptions) => Promise<FuzzReport>) =>
  async (options: FuzzOptions): Promise<FuzzReport> => {
    const stage = await openStage(role);
    try {
      return await fuzz(stage, options);
    } finally {
      await stage.close();
    }
  };

interface Target {
  readonly count: number;
  readonly run: (options: FuzzOptions) => Promise<FuzzReport>;
}

const targets: Readonly<Record<string, Target>> = {
  json: { count: 50_000, run: onStage('serve', fuzzJson) },
  schema: { count: 20_000, run: onStage('all', fuzzSchema) },
  urls: { count: 200_000, run: fuzzUrls },
  tls: { count: 50_000, run: fuzzTls },
  http: { count: 100_000, run: onStage('serve', fuzzHttp) },
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', default: 'all' },
      count: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const names = values.target === 'all' ? Object.keys(targets) : [values.target];
  if (values.help || names.some((name) => !(name in targets))) {
    process.stdout.write(help);
    return values.help ? 0 : 2;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  let flaws = 0;
  for (const name of names) {
    const target = targets[name];
    if (target === undefined) continue;
    const count = Number(values.count ?? target.count);
    const onProgress = (cases: number): void => void process.stderr.write(`${name}: ${cases} of ${count}\n`);
    process.stderr.write(`${name}: seed ${seed}\n`);
    const report = await target.run({ seed, count, onProgress });
    process.stdout.write(`${reportText(report)}\n\n`);
    flaws += report.flaws.length;
  }
  return flaws === 0 ? 0 : 1;
};

process.exit(await main());
