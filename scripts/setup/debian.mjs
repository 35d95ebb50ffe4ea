import { accessSync, chmodSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root, run, say } from './exec.mjs';

const POLICY = '/usr/sbin/policy-rc.d';
const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/**
 * Installs the servers and ACME clients the tests start (binaries.json: program → Debian package), when this may be
 * done: as root, with apt-get. Where it may not, the tests that need them fail and name the command.
 */
export async function installBinaries() {
  const packages = missingPackages();
  if (packages.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    say(`some tests need programs that are not installed: sudo apt-get install -y ${packages.join(' ')}`);
    return;
  }
  say(`installing for the tests: ${packages.join(' ')}`);
  const failure = `could not install what the tests need; run: apt-get update && apt-get install -y ${packages.join(' ')}`;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const release = forbidServiceStarts();
  try {
    await run('apt-get', ['update', '-q'], { failure, env });
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { failure, env });
  } catch (error) {
    say(`${error.message}; the tests that need them will fail`);
  } finally {
    release();
  }
  await disableServices(packages, failure);
}

function missingPackages() {
  const packageOf = JSON.parse(readFileSync(path.join(root, 'scripts', 'binaries.json'), 'utf8'));
  const missing = Object.entries(packageOf).filter(([program]) => !isInstalled(program));
  return [...new Set(missing.map(([, name]) => name))];
}

function isInstalled(program) {
  return FOLDERS.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The Debian way to keep a package's own service from starting while it is installed. */
function forbidServiceStarts() {
  if (existsSync(POLICY)) return () => undefined;
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
  chmodSync(POLICY, 0o755);
  const release = () => rmSync(POLICY, { force: true });
  process.once('exit', release);
  return release;
}

/** Keeps the newly installed services from starting at the next boot. */
async function disableServices(packages, failure) {
  if (!existsSync('/run/systemd/system')) return;
  const services = packages.filter((name) => existsSync(`/lib/systemd/system/${name}.service`));
  if (services.length > 0) await run('systemctl', ['disable', '--now', ...services], { failure });
}
