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

const textOf = (name: string, env: Env, readFile: (path: string) => string): string | undefined => {
  const path = env[`${name}_FILE`];
  const inline = env[name];
  if (path === undefined || path === '') return inline === '' ? undefined : inline;
  if (inline !== undefined && inline !== '') throw new Error(`is set twice, as ${name} and as ${name}_FILE; unset one`);
  return readFile(path).replace(/\r?\n$/, '');
};

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);

/** Single sign-on needs to know where it is, and hands its secret to nobody in the clear. */
const singleSignOn = (values: Readonly<Record<string, unknown>>): string[] => {
  const issuer = values['NOTAFTER_OIDC_ISSUER'];
  if (typeof issuer !== 'string') return [];
  const { protocol, hostname } = new URL(issuer);
  const needed = ['NOTAFTER_PUBLIC_URL', 'NOTAFTER_OIDC_CLIENT_ID', 'NOTAFTER_OIDC_ROLES'];
  return [
    ...needed
      .filter((name) => values[name] === undefined)
      .map((name) => `${name} must be set with NOTAFTER_OIDC_ISSUER`),
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
  for (const [name, variable] of Object.entries<Variable>(variables)) {
    try {
      const text = textOf(name, env, readFile) ?? variable.default;
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
  problems.push(...singleSignOn(values));
  if (problems.length > 0) throw new ConfigError(problems);
  // Every name of `variables` was parsed above by its own rule or left undefined where it has no default.
  return Object.freeze(values) as Config;
};

/** The process's own environment, as given to commands that hand it on. */
export const environment = (): Env => process.env;

export const loadConfig = (): Config => parseConfig(environment(), (path) => readFileSync(path, 'utf8'));
