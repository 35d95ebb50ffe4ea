import type { Config } from '../../config.ts';
import { parseObject } from '../../emit/json.ts';
import { type Check, fail, ok, warn } from './check.ts';
import { ask, type Probe } from './server.ts';

const discoveryPath = '/.well-known/openid-configuration';
const rest = 'tokens work without it';

/** Whether the provider of single sign-on answers as OpenID Connect Discovery 1.0, section 4 has it; nothing without one. */
export const checkSignOn = async (
  probe: Probe,
  { NOTAFTER_OIDC_ISSUER: issuer, NOTAFTER_PUBLIC_URL: publicUrl }: Config,
): Promise<Check[]> => {
  if (issuer === undefined) return [];
  const page = await ask(probe, issuer.replace(/\/$/, '') + discoveryPath);
  if ('why' in page)
    return [
      warn('sign-on', `the identity provider does not answer (${page.why})`, `see NOTAFTER_OIDC_ISSUER; ${rest}`),
    ];
  if (page.status !== 200)
    return [
      fail(
        'sign-on',
        `the identity provider answers ${page.status} at ${discoveryPath} below the issuer`,
        `correct NOTAFTER_OIDC_ISSUER; ${rest}`,
      ),
    ];
  const named = URL.parse(String(parseObject(page.text)['issuer']));
  if (named?.href !== new URL(issuer).href)
    return [
      fail(
        'sign-on',
        'the identity provider names another issuer than NOTAFTER_OIDC_ISSUER',
        'set it exactly as the provider names it, a slash at the end included',
      ),
    ];
  const callback = `${(publicUrl ?? '').replace(/\/$/, '')}/console/login/oidc/callback`;
  return [ok('sign-on', `the identity provider answers; it must lead back to ${callback}`)];
};
