// What the product is made of, checked: install scripts, licences, hashes, known weaknesses, and a bill of materials.
// Usage: node scripts/supply-chain.mjs [--lock FOLDER] [--offline] [--sbom FILE]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { npmCommand, root } from './setup/exec.mjs';

const { values } = parseArgs({
  options: { lock: { type: 'string', default: root }, offline: { type: 'boolean' }, sbom: { type: 'string' } },
});
const readJson = (name) => JSON.parse(readFileSync(path.join(values.lock, name), 'utf8'));
const manifest = readJson('package.json');
const packages = Object.entries(readJson('package-lock.json').packages).filter(([place]) => place !== '');
const keyOf = ({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`;
const nameOf = (place) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** SPDX ids whose terms let the product be given on under its own licence. */
const shipped = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unlicense',
];
/** And of what only builds and tests it. */
const used = [...shipped, 'CC-BY-4.0', 'MPL-2.0', 'Python-2.0'];

/** Packages that run code when they are installed: each is allowed or forbidden by name, an allowed one in one version only. */
function scriptComplaints() {
  const decided = Object.entries(manifest.allowScripts ?? {});
  const known = packages
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([place, { version }]) => [nameOf(place), version]);
  const undecided = known
    .filter(
      ([name, version]) => !decided.some(([key, allowed]) => (allowed ? key === `${name}@${version}` : key === name)),
    )
    .map(([name, version]) => `${name}@${version} has an install script that allowScripts says nothing of`);
  const stale = decided
    .filter(([key]) => !known.some(([name, version]) => key === name || key === `${name}@${version}`))
    .map(([key]) => `allowScripts names ${key}, which has no install script or is not there`);
  return [...undecided, ...stale];
}

/** `(A OR B)` is fine when one is, `A AND B` when both are. */
function isAllowed(expression, list) {
  const bare = expression.replace(/^\((.*)\)$/, '$1');
  if (bare.includes(' OR ')) return bare.split(' OR ').some((part) => isAllowed(part.trim(), list));
  return bare.split(' AND ').every((part) => list.includes(part.trim()));
}

function licenceComplaints() {
  return packages
    .filter(([, { license = '', dev, devOptional }]) => !isAllowed(license, dev || devOptional ? used : shipped))
    .map(
      ([place, { license }]) =>
        `${nameOf(place)} has the licence ${license ?? '(none given)'}, which is not on the list`,
    );
}

const unbound = packages.filter(([, { integrity = '', link }]) => !link && !integrity.startsWith('sha512-'));
/** Binaries for platforms that nobody runs the tests on. */
const isForeign = ([place, { optional }]) => optional === true && !existsSync(path.join(root, place));

function hashComplaints() {
  return unbound
    .filter((one) => !isForeign(one))
    .map(([place]) => `${nameOf(place)} is not bound to its contents by a sha512`);
}

function npm(...args) {
  const [file, ...before] = npmCommand();
  return spawnSync(file, [...before, ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
    maxBuffer: 64 * 2 ** 20,
  });
}

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Known weaknesses of what is shipped; `null` when the registry does not tell. */
function auditComplaints() {
  const report = parsed(npm('audit', '--omit=dev', '--json', '--loglevel=silent').stdout);
  if (report?.vulnerabilities === undefined) return null;
  return Object.values(report.vulnerabilities)
    .filter(({ severity }) => severity !== 'info' && severity !== 'low')
    .map(({ name, severity, range }) => `${name} ${range} has a known weakness (${severity}): npm audit says more`);
}

/**
 * A CycloneDX bill of what is shipped, written to a file; complaints where it is not whole. npm's own `--omit=dev` also leaves out
 * what is shipped when something else uses it for development, so the whole bill is made and cut down here.
 */
function sbomComplaints(file) {
  const { stdout, stderr } = npm('sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--loglevel=error');
  const bill = parsed(stdout);
  if (bill?.bomFormat !== 'CycloneDX') return [`npm sbom made no bill of materials: ${stderr.trim().split('\n')[0]}`];
  const wanted = new Set(
    packages
      .filter(([, { dev, devOptional }]) => !dev && !devOptional)
      .map(([place, { version }]) => `${nameOf(place)}@${version}`),
  );
  const components = bill.components.filter((component) => wanted.has(keyOf(component)));
  const refs = new Set([bill.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])]);
  const dependencies = bill.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...bill, components, dependencies }, null, 2)}\n`);
  const named = new Set(components.map(keyOf));
  return [...wanted].filter((key) => !named.has(key)).map((key) => `the bill of materials lacks ${key}`);
}

function tell(what, complaints) {
  for (const complaint of complaints) process.stdout.write(`notafter: ${what}: ${complaint}\n`);
  if (complaints.length === 0) process.stdout.write(`notafter: ${what}: nothing to complain of\n`);
  else process.exitCode = 1;
}

tell('install scripts', scriptComplaints());
tell('licences', licenceComplaints());
tell('hashes', hashComplaints());
const foreign = unbound.filter(isForeign).length;
if (foreign > 0)
  process.stdout.write(
    `notafter: hashes: NOT BOUND, ${foreign} optional packages for other platforms have none in the lockfile\n`,
  );
if (!values.offline) {
  tell('bill of materials', sbomComplaints(path.resolve(root, values.sbom ?? '.data/sbom.cdx.json')));
  const weaknesses = auditComplaints();
  if (weaknesses === null)
    process.stdout.write('notafter: known weaknesses: NOT CHECKED, the registry does not answer npm audit\n');
  else tell('known weaknesses', weaknesses);
}
