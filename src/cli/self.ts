import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellWord } from './shell-word.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * How a command is given here, to be copied into this shell: the clone's own script with what it needs to find a server
 * and secrets that are not at their usual place; the bare name where the package is installed.
 */
export const selfCommand = ({ port, dataDir }: { readonly port: number; readonly dataDir: string }): string => {
  const script = path.join(root, 'scripts', 'notafter');
  const relative = path.relative(process.cwd(), script);
  const inClone = existsSync(script);
  const usual = path.join(inClone ? root : process.cwd(), '.data');
  const kept = path.resolve(dataDir);
  return [
    ...(port === 8080 ? [] : [`PORT=${port}`]),
    ...(kept === usual ? [] : [`NOTAFTER_DATA_DIR=${shellWord(kept)}`]),
    inClone ? shellWord(relative.startsWith('..') ? script : relative) : 'notafter',
  ].join(' ');
};
