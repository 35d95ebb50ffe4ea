import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { StartError } from '../errors.ts';

const NAME = 'notafter';

/** The numeric user and group that Postgres runs as; empty when it runs as the present user. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Postgres refuses to run as root. Started by root, it runs as the owner of its cluster, or for a new cluster as the
 * system user `notafter`, made when there is none.
 */
export const postgresAccount = (cluster: string, log: (line: string) => void): Account => {
  if (process.getuid?.() !== 0) return {};
  if (existsSync(cluster)) {
    const { uid, gid } = statSync(cluster);
    if (uid !== 0) return { uid, gid };
  }
  const account = lookUp(NAME) ?? create(log) ?? lookUp('postgres') ?? lookUp('nobody');
  if (account) return account;
  throw new StartError(
    'Postgres does not run as root and there is no other user; start as another user, or set DATABASE_URL',
  );
};

const lookUp = (name: string): Account | undefined => {
  const [uid, gid] = ['-u', '-g'].map((flag) => {
    const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' });
    return status === 0 ? Number(stdout) : undefined;
  });
  return uid && gid ? { uid, gid } : undefined;
};

const create = (log: (line: string) => void): Account | undefined => {
  const flags = [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
  ];
  if (spawnSync('useradd', [...flags, NAME]).status !== 0) return undefined;
  log(`made the system user ${NAME}: Postgres does not run as root`);
  return lookUp(NAME);
};
