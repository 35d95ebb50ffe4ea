import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Config, parseConfig } from '../../config.ts';
import { ConfigError, messageOf } from '../../errors.ts';
import { type Check, fail, ok } from './check.ts';

type Env = Readonly<Record<string, string | undefined>>;

const oldestNode = [22, 19] as const;

/** Whether this Node, as in `process.versions.node`, is new enough to run the product. */
export const checkNode = (version: string): Check => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
    ? ok('node', version)
    : fail(
        'node',
        `${version} is older than ${oldestNode.join('.')}`,
        'run scripts/notafter, which brings its own Node',
      );
};

/** The configuration, or every problem it has. */
export const checkConfig = (env: Env): { config: Config | null; checks: readonly Check[] } => {
  try {
    const config = parseConfig(env, (file) => readFileSync(file, 'utf8'));
    return { config, checks: [ok('config', 'every variable can be used')] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const todo = 'mend it; the README lists the variables';
    return { config: null, checks: error.problems.map((problem) => fail('config', problem, todo)) };
  }
};

/** Whether the data directory, or the folder it would be made in, can be written. */
export const checkDataDir = (dataDir: string): Check => {
  const wanted = path.resolve(dataDir);
  let folder = wanted;
  while (!existsSync(folder) && folder !== path.dirname(folder)) folder = path.dirname(folder);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return ok('data', folder === wanted ? `${wanted} can be written` : `${wanted} can be made`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);
    return fail(
      'data',
      `${folder} cannot be written (${code})`,
      'set NOTAFTER_DATA_DIR, or run as the user who owns it',
    );
  }
};
