import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type Variable, variables } from './config-variables.ts';
import { ConfigError, messageOf } from './errors.ts';

type Variables = typeof variables;
type Value<K extends keyof Variables> =
  | v.InferOutput<Variables[K]['rule']>
  | (Variables[K] extends { default: string } ? never : undefined);
/** The environment after parsing, frozen; names as in the environment, so that there is one name for each thing. */
export type Config = { readonly [K in keyof Variables]: Value<K> };

type Env = Readonly<Record<string, string | undefined>>;

/** Where the value of a variable came from; `generated` at the first start, `unset` where there is none. */
export type Origin = 'environment' | 'file' | 'default' | 'generated' | 'unset';

/** A variable as people may be shown it. */
export interface Setting {
  readonly name: string;
  readonly about: string;
  readonly origin: Origin;
  /** As it was written; null where it is not set, or holds what nobody is shown. */
  readonly text: string | null;
  readonly secret: boolean;
}

// Keys, tokens, and addresses that may hold either.
const hidden: ReadonlySet<string> = new Set([
  'DATABASE_URL',
  'DATABASE_CA',
  'REDIS_URL',
  'REDIS_CA',
  'CERT_EVENT_INGEST_TOKEN',
  'CERT_EVENT_SOURCE_KEYS',
  'CERT_ADMIN_TOKENS',
  'CERT_ALERT_WEBHOOK_URL',
  'CERT_ALERT_WEBHOOK_SECRET',
  'CERT_RUNBOOK_WEBHOOK_URL',
  'CERT_RUNBOOK_SIGNING_SECRET',
  'CERT_NOTIFY_CHANNELS',
  'CERT_PROBE_TRUSTED_CA',
  'NOTAFTER_OIDC_CLIENT_SECRET',
  'CERT_AUDIT_SIGNING_SECRET',
] satisfies (keyof Variables)[]);

const given = new WeakMap<Config, ReadonlyMap<string, { readonly origin: Origin; readonly text: string | null }>>();

/** Whether a variable is one that holds a secret, by its own rules or by its name. */
const isHidden = (name: string): boolean => hidden.has(name) || /(?:SECRET|TOKEN|PASSWORD|KEY)S?$/.test(name);

/** Every variable with its value and where that came from; of secrets only whether they are set. */
export const settingsOf = (config: Config): Setting[] => {
  const known = given.get(config);
  return Object.entries<Variable>(variables).map(([name, { about }]) => {
    const secret = isHidden(name);
    const set = config[name as keyof Variables] !== undefined; // A key of `variables`, which is iterated.
    const { origin, text } = known?.get(name) ?? { origin: set ? 'generated' : 'unset', text: null };
    const now: Origin = set && origin === 'unset' ? 'generated' : origin;
    return { name, about, origin: now, text: secret ? null : text, secret };
  });
};

/** A configuration with some values that were not in the environment; where the others came from is kept. */
export const withValues = (config: Config, values: Partial<Config>): Config => {
  const made: Config = Object.freeze({ ...config, ...values });
  const before = given.get(config);
  if (before !== undefined) given.set(made, before);
  return made;
};

const originOf = (name: string, env: Env, text: string | undefined): Origin => {
  if (text !== undefined) return (env[`${name}_FILE`] ?? '') === '' ? 'environment' : 'file';
  return 'default';
};

const textOf = (name: string, env: Env, readFile: (path: string) => string): string | undefined => {
  const path = env[`${name}_FILE`];
  const inline = env[name];
  if (path === undefined || path === '') return inline === '' ? undefined : inline;
  if (inline !== undefined && inline !== '') throw new Error(`is set twice, as ${name} and as ${name}_FILE; unset one`);
  return readFile(path).replace(/\r?\n$/, '');
};

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);

/**
 * Single sign-on needs to know where it is, and hands its secret to nobody in the clear.
 *
 * @param named the variables that were set, whether or not their values can be used
 */
const singleSignOn = (values: Readonly<Record<string, unknown>>, named: ReadonlySet<string>): string[] => {
  const issuer = values['NOTAFTER_OIDC_ISSUER'];
  if (typeof issuer !== 'string') {
    const alone = ['NOTAFTER_OIDC_CLIENT_ID', 'NOTAFTER_OIDC_CLIENT_SECRET', 'NOTAFTER_OIDC_ROLES'].find(
      (name) => values[name] !== undefined,
    );
    return alone === undefined || named.has('NOTAFTER_OIDC_ISSUER')
      ? []
      : [`NOTAFTER_OIDC_ISSUER must be set with ${alone}`];
  }
  const { protocol, hostname } = new URL(issuer);
  const needed = ['NOTAFTER_PUBLIC_URL', 'NOTAFTER_OIDC_CLIENT_ID', 'NOTAFTER_OIDC_ROLES'];
  return [
    ...needed.filter((name) => !named.has(name)).map((name) => `${name} must be set with NOTAFTER_OIDC_ISSUER`),
    ...(protocol === 'http:' && !isLoopback(hostname)
      ? ['NOTAFTER_OIDC_ISSUER must be an https URL; http is for a provider on this host']
      : []),
  ];
};

/**
 * Parses and checks the whole environment.
 *
 * @throws ConfigError that lists every problem by variable name and never shows a value.
 */
export const parseConfig = (env: Env, readFile: (path: string) => string): Config => {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const origins = new Map<string, { readonly origin: Origin; readonly text: string | null }>();
  for (const [name, variable] of Object.entries<Variable>(variables)) {
    try {
      const own = textOf(name, env, readFile);
      const text = own ?? variable.default;
      origins.set(name, {
        origin: text === undefined ? 'unset' : originOf(name, env, own),
        text: isHidden(name) ? null : (text ?? null),
      });
      if (text === undefined) continue;
      const result = v.safeParse(variable.rule, text);
      if (result.success) values[name] = result.output;
      else problems.push(...result.issues.map((issue) => `${name} ${issue.message}`));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : null;
      problems.push(code === null ? `${name} ${messageOf(error)}` : `${name}_FILE cannot be read (${code})`);
    }
  }
  if (values['CERT_RUNBOOK_WEBHOOK_URL'] !== undefined && values['CERT_RUNBOOK_SIGNING_SECRET'] === undefined)
    problems.push('CERT_RUNBOOK_SIGNING_SECRET must be set with CERT_RUNBOOK_WEBHOOK_URL');
  const redisUrl = values['REDIS_URL'];
  if (values['REDIS_CA'] !== undefined && !(typeof redisUrl === 'string' && redisUrl.startsWith('rediss:')))
    problems.push('REDIS_URL must begin with rediss: when REDIS_CA is set');
  const isNamed = (name: string): boolean => [env[name], env[`${name}_FILE`]].some((text) => (text ?? '') !== '');
  problems.push(...singleSignOn(values, new Set(Object.keys(variables).filter(isNamed))));
  if (problems.length > 0) throw new ConfigError(problems);
  // Every name of `variables` was parsed above by its own rule or left undefined where it has no default.
  const config = Object.freeze(values) as Config;
  given.set(config, origins);
  return config;
};

/** The process's own environment, as given to commands that hand it on. */
export const environment = (): Env => process.env;

export const loadConfig = (): Config => parseConfig(environment(), (path) => readFileSync(path, 'utf8'));
