import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '../support/child.ts';
import type { Environment } from '../support/process.ts';

/** The release before this one, unpacked; it runs with the packages of this one. */
export interface PreviousRelease {
  readonly commit: string;
  /** Path of its cli.js. */
  readonly cli: string;
  /** Runs it with this environment, and PATH. */
  readonly start: (args: readonly string[], env: Environment) => Child;
  readonly remove: () => void;
}

const here = path.dirname(fileURLToPath(import.meta.url));

/** Unpacks test/upgrade/previous.tgz, which scripts/pack-previous.mjs makes at each release. */
export const unpackPrevious = (): PreviousRelease => {
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-previous-'));
  execFileSync('tar', ['-xzf', path.join(here, 'previous.tgz'), '-C', folder]);
  symlinkSync(path.join(here, '..', '..', 'node_modules'), path.join(folder, 'node_modules'));
  const cli = path.join(folder, 'dist', 'cli.js');
  return {
    commit: readFileSync(path.join(folder, 'commit'), 'utf8').trim(),
    cli,
    start: (args, env) =>
      startChild(process.execPath, [cli, ...args], { env: { PATH: process.env.PATH ?? '', HOME: folder, ...env } }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
