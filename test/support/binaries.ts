import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';

const packageOf = JSON.parse(readFileSync(new URL('../../scripts/binaries.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>; // program → Debian package
const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin'];

/** The path of a program that the tests start; when it is missing, an error with the command that installs it. */
export const requireBinary = (name: string): string => {
  const found = folders.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new Error(
    `${name} is not installed; run: apt-get install -y --no-install-recommends ${packageOf[name] ?? name}`,
  );
};

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};
