// Fails when src/db/schema.ts and the migrations in drizzle/ have drifted apart, or when the migrations disagree.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const copy = mkdtempSync(path.join(root, 'dist.db-check-'));

function drizzleKit(command) {
  // drizzle-kit takes the output folder relative to the project.
  const args = ['--dialect', 'postgresql', '--out', path.basename(copy)];
  const schema = command === 'generate' ? ['--schema', './src/db/schema.ts'] : [];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['node_modules/drizzle-kit/bin.cjs', command, ...args, ...schema],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (status !== 0) fail(`drizzle-kit ${command} failed\n${stdout}${stderr}`);
}

function fail(message) {
  process.stderr.write(`notafter: ${message}\n`);
  process.exitCode = 1;
}

try {
  cpSync(path.join(root, 'drizzle'), copy, { recursive: true });
  const before = readdirSync(copy);
  drizzleKit('check');
  drizzleKit('generate');
  const added = readdirSync(copy).filter((name) => !before.includes(name));
  if (added.length > 0) fail('the schema has changes without a migration; run: npm run db:generate -- --name INTENT');
  else if (process.exitCode !== 1) process.stdout.write('notafter: the schema and the migrations agree\n');
} finally {
  rmSync(copy, { recursive: true, force: true });
}
