import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of the sources that may be spoilt. */
export interface Tree {
  readonly dir: string;
  readonly remove: () => void;
}

/** Files that Git knows, or would take; those that are gone from the folder are left out. */
const files = (): string[] => {
  const list = (...args: string[]): string[] =>
    execFileSync('git', ['ls-files', '-z', ...args], { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
      .split('\0')
      .filter((name) => name !== '');
  // What is installed is linked, also where it is a link here.
  const gone = new Set([...list('--deleted'), 'node_modules']);
  return [...new Set([...list('--cached'), ...list('--others', '--exclude-standard')])].filter(
    (name) => !gone.has(name),
  );
};

/** Each package as a link: whatever happens to this folder, what is installed stays as it is. */
const linkPackages = (dir: string): void => {
  const installed = path.join(root, 'node_modules');
  const own = path.join(dir, 'node_modules');
  mkdirSync(own);
  for (const entry of readdirSync(installed, { withFileTypes: true })) {
    if (entry.name.startsWith('.vite')) continue;
    if (entry.isFile()) cpSync(path.join(installed, entry.name), path.join(own, entry.name));
    else symlinkSync(path.join(installed, entry.name), path.join(own, entry.name));
  }
};

/** Copies the sources as they are now; packages are shared, builds and data are not. */
export const copyTree = (): Tree => {
  const dir = mkdtempSync(path.join(tmpdir(), 'notafter-mutants-'));
  for (const name of files()) {
    mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
    cpSync(path.join(root, name), path.join(dir, name));
  }
  linkPackages(dir);
  mkdirSync(path.join(dir, '.node'));
  symlinkSync(process.execPath, path.join(dir, '.node', 'node'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
};
