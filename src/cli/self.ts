import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { shellWord } from './shell-word.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where a server is that a command shall find. */
export interface Whereabouts {
  readonly port: number;
  readonly dataDir: string;
  /** Only where the command asks for metrics. */
  readonly metricsPort?: number;
}

/**
 * How a command is given, to be copied into a shell: the clone's own script, or the bare name where the package is
 * installed, behind the variables it needs to find a server that is not at its usual place.
 *
 * @param cwd directory of that shell; null when it may be any
 */
export const selfCommand = ({ port, dataDir, metricsPort = 9465 }: Whereabouts, cwd: string | null): string => {
  const script = path.join(root, 'scripts', 'notafter');
  const inClone = existsSync(script);
  const usual = path.resolve(inClone ? root : '.', '.data');
  const kept = path.resolve(dataDir);
  const relative = cwd === null ? '..' : path.relative(cwd, script);
  return [
    ...(port === 8080 ? [] : [`PORT=${port}`]),
    ...(metricsPort === 9465 ? [] : [`CERT_METRICS_PORT=${metricsPort}`]),
    ...(kept === usual ? [] : [`NOTAFTER_DATA_DIR=${shellWord(kept)}`]),
    inClone ? shellWord(relative.startsWith('..') ? script : relative) : 'notafter',
  ].join(' ');
};
