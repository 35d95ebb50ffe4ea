// Makes a clone ready to run: Node, dependencies, build, and for the tests the servers they need.
// Plain JavaScript without dependencies, so that it runs on Node 18 and on a clone where nothing is installed.
// Usage: node scripts/setup.mjs deps | build | start | test
import { amendDeps, depsAmended } from './setup/amend.mjs';
import { build, isBuilt } from './setup/build.mjs';
import { installBinaries } from './setup/debian.mjs';
import { depsInstalled, installDeps } from './setup/deps.mjs';
import { SetupError, say } from './setup/exec.mjs';
import { withLock } from './setup/lock.mjs';
import { ensureNode, nodeReady } from './setup/node.mjs';

const wanted = process.argv[2];
// The tests build when one of them starts the program.
const needsBuild = wanted === 'build' || wanted === 'start';

function ready() {
  return nodeReady() && depsInstalled() && depsAmended() && (!needsBuild || isBuilt());
}

async function prepare() {
  await ensureNode();
  if (!depsInstalled()) await installDeps();
  amendDeps();
  if (needsBuild && !isBuilt()) await build();
}

async function main() {
  if (!['deps', 'build', 'start', 'test'].includes(wanted)) {
    throw new SetupError('usage: node scripts/setup.mjs deps|build|start|test');
  }
  if (!ready()) await withLock(prepare);
  if (wanted === 'test') await installBinaries();
  if (wanted === 'build') say('dist/ is up to date; start it with: .node/node dist/cli.js all');
}

main().catch((error) => {
  const hint =
    error.code === 'EACCES' || error.code === 'EPERM' || error.code === 'EROFS'
      ? ` (run this as the user who owns ${process.cwd()})`
      : '';
  process.stderr.write(`notafter: ${error.message}${hint}\n`);
  process.exit(1);
});
