import { existsSync } from 'node:fs';
import path from 'node:path';
import { secretsDir } from '../credentials.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Variable → file that `npm start` generates, for commands given on the same machine. */
const local: Readonly<Record<string, string>> = {
  NOTAFTER_INGEST_TOKEN: 'ingest-token',
  NOTAFTER_SOURCE_KEY: 'source-key',
  NOTAFTER_TOKEN: 'admin-token',
};

/** The environment of a command: on the machine where `npm start` generated secrets, they stand in for what is not set. */
export const commandEnv = (env: Env): Env => {
  const dir = secretsDir(env['NOTAFTER_DATA_DIR'] ?? '.data');
  const found = Object.entries(local).flatMap(([name, file]) => {
    const at = path.join(dir, file);
    const set = env[name] !== undefined || env[`${name}_FILE`] !== undefined;
    return set || !existsSync(at) ? [] : [[`${name}_FILE`, at] as const];
  });
  const usesLocalKey = found.some(([name]) => name === 'NOTAFTER_SOURCE_KEY_FILE');
  const identity = usesLocalKey ? { NOTAFTER_SOURCE: 'local', NOTAFTER_CLUSTER: 'dev' } : {};
  return { NOTAFTER_URL: `http://127.0.0.1:${env['PORT'] ?? '8080'}`, ...identity, ...env, ...Object.fromEntries(found) };
};
