import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { askShared } from '../../support/shared.ts';

/** Puts a `notafter` command into the directory, as an installation would. @returns its path. */
export const installCli = async (directory: string): Promise<string> => {
  const file = path.join(directory, 'notafter');
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${await askShared('/build')}' "$@"\n`);
  chmodSync(file, 0o755);
  return file;
};
