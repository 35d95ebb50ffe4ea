import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { envWithNode, machineSettings, npmCommand, root, run, say } from './exec.mjs';
import { nodeLink } from './node.mjs';

const modules = path.join(root, 'node_modules');
// npm removes node_modules before it installs, so the stamp is there only after an installation that ended well.
const stampFile = path.join(modules, '.notafter-lock');

/** True when node_modules was installed from the package-lock.json that is there now. */
export function depsInstalled() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp();
}

/** Installs exactly what package-lock.json says, then runs the install scripts that package.json allows. */
export async function installDeps() {
  say('installing dependencies (the first time this takes about half a minute)');
  const [file, ...args] = npmCommand(nodeLink);
  // The compiler is a development dependency and the database an optional one: both are needed whatever the user's settings say.
  const flags = [
    '--include=dev',
    '--include=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  await run(file, [...args, 'ci', ...flags], {
    failure:
      'npm ci failed; check that npm reaches its registry and that its cache folder is writable, then run this again',
    env: { ...envWithNode(nodeLink), ...machineSettings() },
  });
  await runAllowedScripts();
  writeFileSync(stampFile, stamp());
}

/** `allowScripts` in package.json names exact versions; npm 10 does not know the field, so it is carried out here. */
async function runAllowedScripts() {
  const { allowScripts } = readJson(path.join(root, 'package.json'));
  for (const [spec, allowed] of Object.entries(allowScripts)) {
    if (allowed !== true) continue;
    const at = spec.lastIndexOf('@');
    const folder = path.join(modules, spec.slice(0, at));
    if (!existsSync(folder)) continue;
    const manifest = readJson(path.join(folder, 'package.json'));
    if (manifest.version !== spec.slice(at + 1)) continue;
    await run('/bin/sh', ['-c', manifest.scripts.postinstall], {
      failure: `the install script of ${spec} failed; remove node_modules and run this again`,
      cwd: folder,
      env: envWithNode(nodeLink),
    });
  }
}

function stamp() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  return createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`).digest('hex');
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
