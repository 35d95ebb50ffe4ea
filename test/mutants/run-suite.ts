import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as v from 'valibot';
import type { Suite } from './mutant.ts';

/** How a suite ended. `broken`: it did not come to its tests, or one of them could not even be set up. */
export type Outcome =
  | { readonly kind: 'green'; readonly tests: number }
  | { readonly kind: 'red'; readonly test: string; readonly message: string }
  | { readonly kind: 'broken'; readonly why: string };

const report = v.object({
  numPassedTests: v.number(),
  testResults: v.array(
    v.object({
      status: v.string(),
      message: v.optional(v.string(), ''),
      assertionResults: v.array(
        v.object({
          fullName: v.string(),
          status: v.string(),
          failureMessages: v.optional(v.nullable(v.array(v.string())), []),
        }),
      ),
    }),
  ),
});

const longestMs = 600_000;
// Servers and builds may take their time before the first test, on a busy machine.
const setUpMs = 300_000;

/** Runs vitest in its own process group, so that nothing it started outlives it. */
const vitest = (dir: string, args: readonly string[]): Promise<{ late: boolean; output: string }> =>
  new Promise((resolve) => {
    const cli = path.join(dir, 'node_modules', 'vitest', 'vitest.mjs');
    const child = spawn(process.execPath, [cli, 'run', ...args], {
      cwd: dir,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let late = false;
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (): void => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, 'SIGKILL');
    };
    process.once('exit', end);
    const timer = setTimeout(() => {
      late = true;
      end();
    }, longestMs);
    child.once('close', () => {
      clearTimeout(timer);
      process.off('exit', end);
      resolve({ late, output });
    });
  });

// The test's surroundings failed, not its subject: a build that does not compile, a server that does not start.
const surroundings = /of the test set-up failed|is not installed|does not get ready; it printed:\n.*SyntaxError/s;

const outcomeOf = (text: string): Outcome => {
  const { numPassedTests: tests, testResults } = v.parse(report, JSON.parse(text));
  const failed = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed');
  const first = failed[0];
  if (first !== undefined) {
    const message = (first.failureMessages ?? []).join('\n');
    return surroundings.test(message)
      ? { kind: 'broken', why: message.slice(0, 2000) }
      : { kind: 'red', test: first.fullName.trim(), message };
  }
  const unfit = testResults.find(({ status }) => status !== 'passed');
  if (unfit !== undefined) return { kind: 'broken', why: unfit.message.slice(0, 2000) };
  return tests === 0 ? { kind: 'broken', why: 'no test has such a name' } : { kind: 'green', tests };
};

/** Runs one suite in a copy of the sources. Red is only what a test itself found wrong. */
export const runSuite = async (dir: string, { file, only }: Suite): Promise<Outcome> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-suite-'));
  const result = path.join(folder, 'report.json');
  try {
    const pattern = only === undefined ? [] : ['-t', only];
    const { late, output } = await vitest(dir, [
      file,
      ...pattern,
      `--hookTimeout=${setUpMs}`,
      '--reporter=json',
      `--outputFile=${result}`,
    ]);
    if (late) return { kind: 'broken', why: `it did not end within ${longestMs / 1000} s` };
    if (!existsSync(result)) return { kind: 'broken', why: output.slice(-2000) };
    return outcomeOf(readFileSync(result, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
