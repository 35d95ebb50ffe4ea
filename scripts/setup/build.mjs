import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, run, say } from './exec.mjs';
import { nodeLink } from './node.mjs';

const src = path.join(root, 'src');
const dist = path.join(root, 'dist');
const stampFile = path.join(dist, '.stamp');
const isCode = (file) => /\.tsx?$/.test(file);

/** True when dist/ was built from the sources that are there now. */
export function isBuilt() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp();
}

/** Compiles src/ into a temporary folder and swaps it with dist/, so that a killed build never looks finished. */
export async function build() {
  say('building');
  const before = stamp();
  for (const entry of readdirSync(root)) {
    if (entry.startsWith('dist.')) rmSync(path.join(root, entry), { recursive: true, force: true });
  }
  const fresh = path.join(root, `dist.${process.pid}`);
  const old = `${fresh}.old`;
  try {
    await run(nodeLink, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', fresh], {
      failure: 'the build failed; the compiler says why above',
    });
    copyAssets(fresh);
    writeFileSync(path.join(fresh, '.stamp'), before);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

function copyAssets(target) {
  cpSync(src, target, { recursive: true, filter: (file) => statSync(file).isDirectory() || !isCode(file) });
}

function stamp() {
  const hash = createHash('sha256');
  const inputs = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => path.join(root, name));
  for (const file of [...inputs, ...filesUnder(src)]) {
    if (/\.test\.tsx?$/.test(file)) continue;
    hash.update(`${path.relative(root, file)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = path.join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(full) : [full];
    });
}
