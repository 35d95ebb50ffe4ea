// Packs the build of a release for the upgrade tests: node scripts/pack-previous.mjs COMMIT
// Run it at each release, with the commit that was released before. Needs a clone that is set up (npm run build).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const target = path.join(root, 'test', 'upgrade', 'previous.tgz');
const [revision] = process.argv.slice(2);

function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}

function pack(commit) {
  const folder = mkdtempSync(path.join(tmpdir(), 'notafter-previous-'));
  const tree = path.join(folder, 'tree');
  git('worktree', 'add', '--detach', tree, commit);
  try {
    for (const name of ['node_modules', '.node']) symlinkSync(path.join(root, name), path.join(tree, name));
    execFileSync(process.execPath, ['scripts/setup.mjs', 'build'], { cwd: tree, stdio: 'inherit' });
    writeFileSync(path.join(tree, 'commit'), `${commit}\n`);
    // Without source maps and snapshots of the schema, which nothing that runs reads; the same bytes for the same commit.
    const left = ['*.map', '*_snapshot.json', '.stamp'].map((name) => `--exclude=${name}`);
    const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0'];
    const tar = execFileSync(
      'tar',
      [...same, ...left, '-C', tree, '-cf', '-', 'dist', 'drizzle', 'package.json', 'commit'],
      {
        maxBuffer: 64 * 2 ** 20,
      },
    );
    writeFileSync(target, execFileSync('gzip', ['-9n'], { input: tar, maxBuffer: 64 * 2 ** 20 }));
  } finally {
    git('worktree', 'remove', '--force', tree);
    rmSync(folder, { recursive: true, force: true });
  }
}

if (revision === undefined) {
  process.stderr.write('usage: node scripts/pack-previous.mjs COMMIT\n');
  process.exitCode = 2;
} else {
  const commit = git('rev-parse', '--verify', `${revision}^{commit}`);
  pack(commit);
  process.stdout.write(`notafter: the build of ${commit} is in ${path.relative(root, target)}\n`);
}
