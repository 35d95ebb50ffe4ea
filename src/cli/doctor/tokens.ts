import type { AdminToken } from '../../config-rules.ts';
import type { Config } from '../../config.ts';
import { parseObject } from '../../emit/json.ts';
import { readTarget } from '../../emit/settings.ts';
import { signHeaders } from '../../emit/sign.ts';
import { messageOf } from '../../errors.ts';
import { adminToken, CommandError } from '../api-client.ts';
import { printable } from '../table.ts';
import { type Check, fail, ok, warn } from './check.ts';
import { ask, type Probe } from './server.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where a value of this environment comes from: the variable, or the file of `NAME_FILE`. */
const sourceOf = (env: Env, name: string): string => {
  const value = env[name];
  return value === undefined || value === '' ? `the file of ${name}_FILE (${env[`${name}_FILE`] ?? ''})` : name;
};

const isSet = (env: Env, name: string): boolean => (env[name] ?? env[`${name}_FILE`] ?? '') !== '';

const restart = 'restart the server after a change of its variables, or give this command the same ones';

interface KnownToken extends Pick<AdminToken, 'name' | 'token'> {
  /** The variable that it came from. */
  readonly from: string;
}

/** Those of the server's own variables, and the one that commands present. @throws CommandError when its file cannot be read. */
const tokensOf = (config: Config, env: Env): KnownToken[] => {
  const from = sourceOf(env, 'CERT_ADMIN_TOKENS');
  const own = (config.CERT_ADMIN_TOKENS ?? []).map(({ name, token }) => ({ name, token, from }));
  const token = adminToken(env);
  if (token === undefined || own.some((one) => one.token === token)) return own;
  return [...own, { name: 'admin', token, from: sourceOf(env, 'NOTAFTER_TOKEN') }];
};

/** The token that commands present; undefined when there is none or it cannot be read. */
export const tokenOf = (env: Env): string | undefined => {
  try {
    return adminToken(env);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
};

/** Whether the server takes the admin tokens that are known here. */
export const checkAdminTokens = async (probe: Probe, url: string, config: Config, env: Env): Promise<Check> => {
  try {
    const tokens = tokensOf(config, env);
    if (tokens.length === 0)
      return warn('tokens', 'there is no admin token', 'set CERT_ADMIN_TOKENS, or NOTAFTER_TOKEN_FILE');
    for (const { name, token, from } of tokens) {
      const headers = { authorization: `Bearer ${token}` };
      const page = await ask(probe, `${url}/v1/admin/cert-sources?limit=1`, { headers });
      if ('why' in page)
        return fail('tokens', `the admin API does not answer (${page.why})`, 'see the check of the API');
      if (page.status === 401) return fail('tokens', `the server refuses the admin token ${name} of ${from}`, restart);
      if (page.status !== 200)
        return warn('tokens', `the admin API answers ${page.status}`, 'see the log of the server');
    }
    return ok('tokens', `admin tokens accepted: ${tokens.map(({ name }) => name).join(', ')}`);
  } catch (error) {
    if (error instanceof CommandError) return fail('tokens', error.message, 'make the file readable for this user');
    throw error;
  }
};

// An object that names no event: refused for that, once token and signature were found good, and before anything is written.
const emptyEvent = '{}';

const ingestSources = (env: Env): string => {
  const names = [
    ['the token', 'NOTAFTER_INGEST_TOKEN', 'CERT_EVENT_INGEST_TOKEN'],
    ['the key', 'NOTAFTER_SOURCE_KEY', 'CERT_EVENT_SOURCE_KEYS'],
  ] as const;
  const used = names.filter(([, name]) => isSet(env, name));
  // What a sender's variable leaves open is taken from the server's own.
  return used
    .map(([what, name, own]) => `${what} of ${sourceOf(env, name)}${isSet(env, own) ? ` or else ${own}` : ''}`)
    .join(', ');
};

/** Whether the server takes the ingest token and the signature of this host; no event is made. */
export const checkIngest = async (probe: Probe, url: string, env: Env): Promise<Check> => {
  let target;
  try {
    target = readTarget({}, env);
  } catch (error) {
    return warn('ingest', messageOf(error), 'needed only where events are sent from');
  }
  const { token, source, cluster, secret } = target;
  const timestamp = Math.floor(probe.now() / 1000);
  const signed =
    secret === undefined || cluster === undefined
      ? {}
      : signHeaders({ source, cluster, secret, body: emptyEvent, timestamp });
  const headers = { 'content-type': 'application/json', 'x-cert-event-token': token, ...signed };
  const page = await ask(probe, `${url}/v1/domains/cert-events`, { method: 'POST', headers, body: emptyEvent });
  if ('why' in page) return fail('ingest', `ingest does not answer (${page.why})`, 'see the check of the API');
  const who = secret === undefined ? 'without a signature' : `signed as ${source}:${cluster ?? ''}`;
  if (page.status === 400) return ok('ingest', `token accepted, ${who}`);
  const said = printable(parseObject(page.text)['message'] ?? `HTTP ${page.status}`);
  const sent = page.status === 401 ? `, with ${ingestSources(env)}` : '';
  return fail('ingest', `the server refuses an event ${who}: ${said}${sent}`, restart);
};
