import { type ChildProcess, spawn } from 'node:child_process';
import { waitFor } from './wait.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program: everything it printed, its end, and ways to end it. */
export interface Child {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  output(): string;
  hasExited(): boolean;
  /** Waits until the output matches, and gives the match. */
  waitForOutput(pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
  /** SIGTERM, and SIGKILL when it has not ended after `patienceMs`. */
  stop(patienceMs?: number): Promise<Exit>;
  signal(name: NodeJS.Signals): void;
  kill9(): Promise<Exit>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a program with exactly the given environment; it is killed at the latest when this process ends. */
export const startChild = (
  file: string,
  args: readonly string[],
  { env = {}, cwd = process.cwd() }: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Child => {
  const child = spawn(file, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let text = '';
  let ended = false;
  const keep = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<Exit>((resolve) => {
    const end = (exit: Exit): void => {
      running.delete(child);
      ended = true;
      resolve(exit);
    };
    child.once('error', (error) => {
      text += `${error.message}\n`;
      end({ code: null, signal: null });
    });
    child.once('close', (code, signal) => end({ code, signal }));
  });

  const waitForOutput = async (pattern: RegExp, timeoutMs = 30_000): Promise<RegExpMatchArray> => {
    const what = `${file} ${args.join(' ')} to print ${pattern}`;
    try {
      const match = await waitFor(() => text.match(pattern) ?? ended, { timeoutMs, what });
      if (match !== true) return match;
    } catch {
      throw new Error(`waited ${timeoutMs} ms for ${what}; it printed:\n${text}`);
    }
    throw new Error(`${file} ${args.join(' ')} ended before it printed ${pattern}; it printed:\n${text}`);
  };
  const stop = async (patienceMs = 30_000): Promise<Exit> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    const exit = await exited;
    clearTimeout(timer);
    return exit;
  };
  return {
    pid: child.pid ?? 0,
    exited,
    output: () => text,
    hasExited: () => ended,
    waitForOutput,
    stop,
    signal: (name) => void child.kill(name),
    kill9: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
};
