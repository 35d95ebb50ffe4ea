import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startChild } from './support/child.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
let project: string;

beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), 'notafter-setup-'));
  for (const name of ['scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(path.join(root, name), path.join(project, name), { recursive: true });
  }
  pretendInstalled();
  mkdirSync(path.join(project, 'src', 'pages'), { recursive: true });
  writeFileSync(path.join(project, 'src', 'cli.ts'), 'console.log("hello" as string);\n');
  writeFileSync(path.join(project, 'src', 'cli.test.ts'), 'export {};\n');
  writeFileSync(path.join(project, 'src', 'pages', 'style.css'), 'p {}\n');
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

/** Only what the compiler needs is there, so that a mistaken installation cannot touch the real node_modules. */
const pretendInstalled = (): void => {
  const modules = path.join(project, 'node_modules');
  mkdirSync(modules);
  for (const name of ['typescript', '@typescript', '@types', 'undici-types']) {
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name));
  }
  const lock = readFileSync(path.join(project, 'package-lock.json'));
  const stamp = createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`);
  writeFileSync(path.join(modules, '.notafter-lock'), stamp.digest('hex'));
};

const setup = (step: string) =>
  startChild(process.execPath, ['scripts/setup.mjs', step], { cwd: project, env: { PATH: process.env.PATH ?? '' } });
const stampTime = (): number => statSync(path.join(project, 'dist', '.stamp')).mtimeMs;

describe('setup.mjs', () => {
  it('builds once, and again only when a source changed', async () => {
    expect(await setup('build').exited).toEqual({ code: 0, signal: null });
    const run = startChild(path.join(project, '.node', 'node'), ['dist/cli.js'], { cwd: project });
    await run.exited;
    expect(run.output()).toBe('hello\n');
    expect(existsSync(path.join(project, 'dist', 'pages', 'style.css'))).toBe(true);
    expect(existsSync(path.join(project, 'dist', 'cli.test.js'))).toBe(false);

    const built = stampTime();
    writeFileSync(path.join(project, 'src', 'cli.test.ts'), 'export const changed = 1;\n');
    expect((await setup('build').exited).code).toBe(0);
    expect(stampTime()).toBe(built);

    writeFileSync(path.join(project, 'src', 'cli.ts'), 'console.log("changed");\n');
    expect((await setup('build').exited).code).toBe(0);
    expect(readFileSync(path.join(project, 'dist', 'cli.js'), 'utf8')).toContain('changed');
  });

  it('stops for a dependency that is not the one it was made to amend', async () => {
    const folder = path.join(project, 'node_modules', 'postgres');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'package.json'), '{"version":"9.9.9"}');
    const run = setup('deps');
    expect((await run.exited).code).toBe(1);
    expect(run.output()).toContain('is amended in scripts/setup/amend.mjs, but 9.9.9 is installed');
  });

  it('keeps the last good build when the sources do not compile, and says so in one line', async () => {
    await setup('build').exited;
    writeFileSync(path.join(project, 'src', 'cli.ts'), 'export const a: number = "a";\n');
    const failed = setup('build');
    expect((await failed.exited).code).toBe(1);
    expect(failed.output()).toContain('src/cli.ts(1,14): error TS2322');
    expect(failed.output()).toMatch(/^notafter: the build failed; the compiler says why above \(exit code \d+\)$/m);
    expect(failed.output()).not.toMatch(/^\s+at /m);
    expect(readFileSync(path.join(project, 'dist', 'cli.js'), 'utf8')).toContain('hello');
  });

  it('waits for a set-up that runs, and takes over from one that was killed', async () => {
    mkdirSync(path.join(project, '.node'));
    const lock = path.join(project, '.node', 'setup.lock');
    const holder = startChild('sleep', ['60'], { env: { PATH: process.env.PATH ?? '' } });
    writeFileSync(lock, String(holder.pid));
    const waiting = setup('build');
    await waiting.waitForOutput(/waiting for another set-up/);
    expect(existsSync(path.join(project, 'dist'))).toBe(false);
    await holder.kill9();
    expect((await waiting.exited).code).toBe(0);
    expect(existsSync(lock)).toBe(false);
  });

  it('builds once when two start together', async () => {
    const both = [setup('build'), setup('build')];
    for (const child of both) expect((await child.exited).code).toBe(0);
    expect(both.filter((child) => /^notafter: building$/m.test(child.output()))).toHaveLength(1);
  });
});

describe('count-tests.mjs', () => {
  const count = async (report: unknown): Promise<string> => {
    const file = path.join(project, 'report.json');
    writeFileSync(file, typeof report === 'string' ? report : JSON.stringify(report));
    const child = startChild(process.execPath, ['scripts/count-tests.mjs', file], { cwd: project });
    await child.exited;
    return child.output();
  };
  const counts = { success: true, numPassedTests: 7, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };

  it.each([
    ['a good run', counts, '7 passed, 0 failed\n'],
    ['skipped tests', { ...counts, numPendingTests: 2, numTodoTests: 1 }, '7 passed, 0 failed, 3 skipped\n'],
    ['a failed test', { ...counts, success: false, numFailedTests: 2 }, '7 passed, 2 failed\n'],
    ['a file that cannot be loaded', { ...counts, success: false }, '7 passed, 1 failed\n'],
    ['a run that was cut off', '{"numPassed', '0 passed, 1 failed\n'],
  ])('counts %s', async (_, report, line) => {
    expect(await count(report)).toBe(line);
  });
});
