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

const restart = 'restart the server after a change of its variables, or give this command the same ones';

const tokensOf = (config: Config, env: Env): Pick<AdminToken, 'name' | 'token'>[] => {
  if (config.CERT_ADMIN_TOKENS !== undefined) return [...config.CERT_ADMIN_TOKENS];
  const token = adminToken(env);
  return token === undefined ? [] : [{ name: 'admin', token }];
};

/** Whether the server takes the admin tokens that are known here. */
export const checkAdminTokens = async (probe: Probe, url: string, config: Config, env: Env): Promise<Check> => {
  try {
    const tokens = tokensOf(config, env);
    if (tokens.length === 0)
      return warn('tokens', 'there is no admin token', 'set CERT_ADMIN_TOKENS, or NOTAFTER_TOKEN_FILE');
    for (const { name, token } of tokens) {
      const headers = { authorization: `Bearer ${token}` };
      const page = await ask(probe, `${url}/v1/admin/cert-sources?limit=1`, { headers });
      if ('why' in page)
        return fail('tokens', `the admin API does not answer (${page.why})`, 'see the check of the API');
      if (page.status === 401) return fail('tokens', `the server refuses the admin token ${name}`, restart);
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
  return fail('ingest', `the server refuses an event ${who}: ${said}`, restart);
};
