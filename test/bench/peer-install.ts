import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { peerFolder } from './peer-queues.ts';

const packages = { 'pg-boss': '12.30.0', 'graphile-worker': '0.18.0', pg: '8.23.0' };

const installed = (name: string): string | null => {
  const file = path.join(peerFolder, 'node_modules', name, 'package.json');
  // Every package.json has a version.
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : null;
};

/** Installs the queues that are compared, in pinned versions, outside the project's own dependencies. */
export const installPeers = (): string => {
  const missing = Object.entries(packages).filter(([name, version]) => installed(name) !== version);
  if (missing.length > 0) {
    mkdirSync(peerFolder, { recursive: true });
    writeFileSync(path.join(peerFolder, 'package.json'), JSON.stringify({ private: true, dependencies: packages }));
    const args = ['install', '--prefix', peerFolder, '--ignore-scripts', '--no-audit', '--no-fund'];
    const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`the compared queues cannot be installed:\n${stderr}`);
  }
  return Object.entries(packages)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
};
