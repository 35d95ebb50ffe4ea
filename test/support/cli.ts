import type { Command } from 'commander';
import type { CliIo } from '../../src/cli/io.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { type TestApi, tokenOf } from './api.ts';

/** What a command printed, its lines and the states of its progress bar, and the code it would end with. */
export interface CliRun {
  readonly code: number;
  readonly out: string[];
  readonly err: string[];
  readonly bars: string[];
}

export interface CliRunOptions {
  /** Width of the terminal; null, as by default, when standard output is a pipe. */
  readonly columns?: number | null;
  readonly role?: Role;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command of the CLI against an API of this process, with the API's own clock. */
export const runCommand = async (
  api: TestApi,
  make: (io: CliIo) => Command,
  args: readonly string[],
  { columns = null, role = 'operator', token = tokenOf(role), env = {} }: CliRunOptions = {},
): Promise<CliRun> => {
  const [out, err, bars]: [string[], string[], string[]] = [[], [], []];
  const io: CliIo = {
    env: { NOTAFTER_URL: 'http://notafter.test', NOTAFTER_TOKEN: token, ...env },
    now: () => api.ctx.now(),
    stdout: (line) => void out.push(line),
    stderr: (line) => void err.push(line),
    fetch: async (input, init) => api.app.request(new Request(input, init)),
    columns,
    progress: columns === null ? null : (line) => void bars.push(line),
  };
  const command = make(io);
  for (const one of [command, ...command.commands]) {
    one.exitOverride().configureOutput({ writeErr: (text) => void err.push(text) });
  }
  process.exitCode = 0;
  await command.parseAsync([...args], { from: 'user' });
  const code = process.exitCode;
  process.exitCode = 0;
  return { code, out, err, bars };
};
