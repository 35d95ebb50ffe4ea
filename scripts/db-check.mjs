// Fails when src/db/schema.ts and the migrations in drizzle/ have drifted apart, or when the migrations disagree.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Runs drizzle-kit on a copy of the migrations; it takes the folder relative to the project. */
function drizzleKit(command, copy, ...more) {
  const args = [
    'node_modules/drizzle-kit/bin.cjs',
    command,
    '--dialect',
    'postgresql',
    '--out',
    path.relative(root, copy),
  ];
  const { stdout, stderr } = spawnSync(process.execPath, [...args, ...more], { cwd: root, encoding: 'utf8' });
  return `${stdout}${stderr}`;
}

/** What is wrong, or undefined. drizzle-kit ends with 0 even when it fails, so its words decide. */
function problem(copy) {
  const check = drizzleKit('check', copy);
  if (!check.includes("Everything's fine")) return `the migrations disagree with one another\n${check}`;
  const generate = drizzleKit('generate', copy, '--schema', './src/db/schema*.ts');
  if (generate.includes('No schema changes')) return undefined;
  return 'the schema has changes without a migration; run: npm run db:generate -- --name INTENT';
}

const copy = mkdtempSync(path.join(root, '.node', 'db-check-'));
try {
  cpSync(path.join(root, 'drizzle'), copy, { recursive: true });
  const found = problem(copy);
  process.stdout.write(`notafter: ${found ?? 'the schema and the migrations agree'}\n`);
  process.exitCode = found === undefined ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
