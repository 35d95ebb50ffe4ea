import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { fsyncSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { StartError } from '../errors.ts';
import type { Account } from './account.ts';

/** Name of the only database role; the first of Postgres, which may do everything. */
export const USER = 'notafter';
const PASSWORD_FILE = 'notafter.password';

/**
 * How the server is told its data directory. As another user it may not be able to walk down from `/` (a clone under
 * /root), so it gets the directory as its working directory, which needs no right on the folders above.
 */
export const dataArgument = ({ cluster, account }: { cluster: string; account: Account }): string =>
  account.uid === undefined ? cluster : '/proc/self/cwd';

/** The password of the cluster, from a file that only its owner reads. */
export const readPassword = (cluster: string): string => readFileSync(path.join(cluster, PASSWORD_FILE), 'utf8').trim();

/** Makes a new cluster in a temporary folder and renames it, so that an interrupted one is never taken for whole. */
export const createCluster = (home: string, cluster: string, account: Account): void => {
  const parent = path.dirname(cluster);
  removeLeftovers(parent);
  const temporary = `${cluster}.tmp-${process.pid}`;
  const password = `${cluster}.tmp-${process.pid}.password`;
  try {
    mkdirSync(temporary, { mode: 0o700 });
    give(temporary, account);
    writePassword(password, account);
    initdb(home, temporary, password, account);
    renameSync(password, path.join(temporary, PASSWORD_FILE));
    if (!existsSync(cluster)) renameSync(temporary, cluster);
    syncFolder(parent);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(password, { force: true });
  }
};

const removeLeftovers = (parent: string): void => {
  for (const name of readdirSync(parent)) {
    if (/^cluster\.tmp-\d+/.test(name)) rmSync(path.join(parent, name), { recursive: true, force: true });
  }
};

const initdb = (home: string, folder: string, password: string, account: Account): void => {
  // The server's user may be unable to open the file by its name, but can through an open descriptor.
  const stdin = openSync(password, 'r');
  const flags = ['--auth=scram-sha-256', '--pwfile=/dev/stdin', '--encoding=UTF8', '--locale=C.UTF-8'];
  const { status, stderr, error } = spawnSync(
    path.join(home, 'bin', 'initdb'),
    ['-D', dataArgument({ cluster: folder, account }), `--username=${USER}`, ...flags],
    { cwd: folder, ...account, env: { LC_ALL: 'C', TZ: 'UTC' }, stdio: [stdin, 'ignore', 'pipe'], encoding: 'utf8' },
  );
  closeSync(stdin);
  if (status === 0) return;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? '';
  throw new StartError(`cannot create the embedded database in ${folder}: ${reason}; mend that, or set DATABASE_URL`);
};

const writePassword = (file: string, account: Account): void => {
  const descriptor = openSync(file, 'w', 0o600);
  writeSync(descriptor, `${randomBytes(24).toString('base64url')}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
  chmodSync(file, 0o600);
  give(file, account);
};

const give = (file: string, { uid, gid }: Account): void => {
  if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid);
};

const syncFolder = (folder: string): void => {
  const descriptor = openSync(folder, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
};
