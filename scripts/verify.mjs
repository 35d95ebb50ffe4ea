// Formatting, lint, types, dead code, migrations and supply chain, side by side; prints what failed, what could not be checked, and nothing else.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const checks = [
  ['format', 'node_modules/oxfmt/bin/oxfmt', ['--check'], 'run: npm run format'],
  ['lint', 'node_modules/oxlint/bin/oxlint', ['--type-aware', '--deny-warnings'], 'see above'],
  ['types', 'node_modules/typescript/bin/tsc', ['--noEmit'], 'see above'],
  ['dead code', 'node_modules/knip/bin/knip.js', ['--no-progress'], 'see above'],
  ['migrations', 'scripts/db-check.mjs', [], 'see above'],
  ['supply chain', 'scripts/supply-chain.mjs', [], 'see above'],
];

function check([name, file, args, hint]) {
  return new Promise((resolve) => {
    const started = performance.now();
    let output = '';
    const child = spawn(process.execPath, [file, ...args], { cwd: root });
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (code !== 0) process.stdout.write(`\n── ${name} ──\n${output.trim()}\n`);
      for (const line of output.split('\n'))
        if (code === 0 && / NOT [A-Z]+,/.test(line)) process.stdout.write(`${line}\n`);
      process.stdout.write(
        `${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)${code === 0 ? '' : `: ${hint}`}\n`,
      );
      resolve(code === 0);
    });
  });
}

const results = await Promise.all(checks.map(check));
process.exitCode = results.every(Boolean) ? 0 : 1;
