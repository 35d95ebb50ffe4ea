import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Config, withValues } from './config.ts';
import { messageOf, StartError } from './errors.ts';
import { roles } from './lifecycle/access.ts';
import { parseSourceKeys } from './source-keys.ts';

/** Where generated secrets lie, one to a file, readable by their owner only. */
export const secretsDir = (dataDir: string): string => path.resolve(dataDir, 'secrets');

/** Name of the file with the secret that signs the checkpoints of the audit log. */
export const auditSecretFile = 'audit-signing-secret';

const generated = { source: 'local', cluster: 'dev' } as const;

const secretFile = (dir: string, name: string): string => {
  const file = path.join(dir, name);
  if (!existsSync(file)) writeFileSync(file, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  return readFileSync(file, 'utf8').trim();
};

/**
 * For a first try without any token configured: generates an ingest token, a source key (`local:dev`), a token per role and
 * a secret that signs the audit log, keeps them in the data directory and uses them from then on. A configuration that names any of them is left alone.
 */
export const withGeneratedCredentials = (config: Config): { config: Config; generatedIn: string | null } => {
  const { CERT_EVENT_INGEST_TOKEN: token, CERT_EVENT_SOURCE_KEYS: keys, CERT_ADMIN_TOKENS: tokens } = config;
  if (token !== undefined || keys !== undefined || tokens !== undefined) return { config, generatedIn: null };
  const dir = secretsDir(config.NOTAFTER_DATA_DIR);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const parsed = parseSourceKeys(`${generated.source}:${generated.cluster}=${secretFile(dir, 'source-key')}`);
    if (!('keys' in parsed)) throw new StartError(`${dir}/source-key is not usable: remove it`);
    return {
      generatedIn: dir,
      config: withValues(config, {
        CERT_EVENT_INGEST_TOKEN: secretFile(dir, 'ingest-token'),
        CERT_EVENT_SOURCE_KEYS: parsed.keys,
        CERT_ADMIN_TOKENS: roles.map((role) => ({
          name: `generated-${role}`,
          role,
          token: secretFile(dir, `${role}-token`),
        })),
        CERT_AUDIT_SIGNING_SECRET: config.CERT_AUDIT_SIGNING_SECRET ?? [secretFile(dir, auditSecretFile)],
      }),
    };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `the data directory cannot be written (${messageOf(error)}): set NOTAFTER_DATA_DIR to one that can`,
    );
  }
};
