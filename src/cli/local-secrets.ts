import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Config, parseConfig } from '../config.ts';
import { secretsDir } from '../credentials.ts';
import { ConfigError } from '../errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A key that may sign events. */
export interface Signer {
  readonly source: string;
  readonly cluster: string;
  readonly secret: string;
}

/** Variable of a command → file that `npm start` generates for it. */
const generated: Readonly<Record<string, string>> = {
  NOTAFTER_INGEST_TOKEN: 'ingest-token',
  NOTAFTER_SOURCE_KEY: 'source-key',
  NOTAFTER_TOKEN: 'admin-token',
};
const serverNames = ['CERT_EVENT_INGEST_TOKEN', 'CERT_EVENT_SOURCE_KEYS', 'CERT_ADMIN_TOKENS'] as const;
type Credentials = Pick<Config, (typeof serverNames)[number]>;

/** The server's own credentials, where this environment is the server's; null where it names none or they are faulty. */
const serverCredentials = (env: Env): Credentials | null => {
  const own = serverNames.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, env[name]] as const);
  if (own.every(([, value]) => value === undefined || value === '')) return null;
  try {
    return parseConfig(Object.fromEntries(own), (file) => readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
};

/** Every key that the server of this environment accepts, one secret each. */
export const serverSigners = (env: Env): Signer[] =>
  [...(serverCredentials(env)?.CERT_EVENT_SOURCE_KEYS?.values() ?? [])].flatMap(({ source, cluster, secrets }) =>
    secrets.slice(0, 1).map((secret) => ({ source, cluster, secret })),
  );

const fromServer = (env: Env, credentials: Credentials): Env => {
  const admin =
    credentials.CERT_ADMIN_TOKENS?.find(({ role }) => role === 'admin') ?? credentials.CERT_ADMIN_TOKENS?.[0];
  const [signer] = serverSigners(env);
  return {
    NOTAFTER_INGEST_TOKEN: credentials.CERT_EVENT_INGEST_TOKEN,
    NOTAFTER_TOKEN: admin?.token,
    ...(signer && {
      NOTAFTER_SOURCE: signer.source,
      NOTAFTER_CLUSTER: signer.cluster,
      NOTAFTER_SOURCE_KEY: signer.secret,
    }),
  };
};

const fromFiles = (env: Env): Env => {
  const dir = secretsDir(env['NOTAFTER_DATA_DIR'] ?? '.data');
  const files = Object.entries(generated)
    .map(([name, file]) => [`${name}_FILE`, path.join(dir, file)] as const)
    .filter(([, file]) => existsSync(file));
  const found = Object.fromEntries(files);
  const identity = { NOTAFTER_SOURCE: 'local', NOTAFTER_CLUSTER: 'dev' };
  return found['NOTAFTER_SOURCE_KEY_FILE'] === undefined ? found : { ...found, ...identity };
};

/** The address of the server on this host, which stands where NOTAFTER_URL is not set. */
export const localUrl = (env: Env): string => `http://127.0.0.1:${env['PORT'] ?? '8080'}`;

/**
 * The environment of a command. What is not set is taken from the server's own variables, or from the secrets that
 * `npm start` generated, where the command runs beside the server.
 */
export const commandEnv = (env: Env): Env => {
  const credentials = serverCredentials(env);
  const local = credentials === null ? fromFiles(env) : fromServer(env, credentials);
  const isSet = (name: string): boolean => env[name] !== undefined || env[`${name}_FILE`] !== undefined;
  // A key of one's own comes with a source of one's own.
  const keyIsOwn = isSet('NOTAFTER_SOURCE_KEY');
  const missing = Object.entries(local).filter(([name]) => {
    const base = name.replace(/_FILE$/, '');
    return !isSet(base) && !(keyIsOwn && /^NOTAFTER_(SOURCE|CLUSTER)/.test(base));
  });
  return { NOTAFTER_URL: localUrl(env), ...env, ...Object.fromEntries(missing) };
};
