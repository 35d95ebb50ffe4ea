import {
  allowInsecureRequests,
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientError,
  type Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ResponseBodyError,
} from 'openid-client';
import type { Ctx } from '../context.ts';
import { AppError, messageOf } from '../errors.ts';
import { boundedFetch } from './oidc-fetch.ts';
import type { Claims } from './oidc-grant.ts';

const timeoutSeconds = 10;
// Endpoints and their addresses move rarely; keys are fetched anew by themselves.
const keepMs = 3_600_000;
/** Where the provider sends a browser back to, below the public address. */
export const callbackPath = '/console/login/oidc/callback';

/** What one way through the provider has to come back with. */
export interface Flow {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Nobody is let in: the provider said no, or the answer does not belong to what was asked. */
export class SignInRefused extends Error {
  override readonly name = 'SignInRefused';
}

interface Settings {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly publicUrl: string;
}

const settingsOf = ({ config }: Ctx): Settings => {
  const { NOTAFTER_OIDC_ISSUER: issuer, NOTAFTER_OIDC_CLIENT_ID: clientId, NOTAFTER_PUBLIC_URL: publicUrl } = config;
  if (issuer === undefined || clientId === undefined || publicUrl === undefined)
    throw new AppError('not_found', 'Single sign-on is not set up');
  return { issuer: new URL(issuer), clientId, clientSecret: config.NOTAFTER_OIDC_CLIENT_SECRET, publicUrl };
};

const known = new WeakMap<Ctx, { readonly at: number; readonly found: Promise<Configuration> }>();

const away = (ctx: Ctx, error: unknown): AppError => {
  ctx.log.warn(
    { why: messageOf(error), issuer: ctx.config.NOTAFTER_OIDC_ISSUER },
    'the identity provider does not answer',
  );
  return new AppError('unavailable', 'The identity provider does not answer', { retryAfterSeconds: 5, cause: error });
};

/** Asks the provider what it can do, once an hour; a provider that is away is asked again at the next sign-in. */
const provider = (ctx: Ctx): Promise<Configuration> => {
  const kept = known.get(ctx);
  const at = ctx.now();
  if (kept !== undefined && at - kept.at < keepMs) return kept.found;
  const { issuer, clientId, clientSecret } = settingsOf(ctx);
  const found = discovery(issuer, clientId, clientSecret, undefined, {
    timeout: timeoutSeconds,
    [customFetch]: boundedFetch,
    execute: [
      // By itself the client leaves signatures to TLS (OpenID Connect Core 1.0, section 3.1.3.7).
      enableNonRepudiationChecks,
      // Plain HTTP is for a provider on this host; the configuration refuses it for any other.
      ...(issuer.protocol === 'http:' ? [allowInsecureRequests] : []),
    ],
  }).catch((error: unknown) => {
    known.delete(ctx);
    throw away(ctx, error);
  });
  known.set(ctx, { at, found });
  return found;
};

const redirectUri = (ctx: Ctx): string => settingsOf(ctx).publicUrl.replace(/\/+$/, '') + callbackPath;

/**
 * Begins a way through the provider (OpenID Connect Core 1.0, section 3.1; PKCE: RFC 7636).
 *
 * @returns where to send the browser, and what to keep for its return.
 * @throws AppError `unavailable` when the provider is away, `not_found` when none is set up.
 */
export const beginFlow = async (ctx: Ctx): Promise<{ readonly url: URL; readonly flow: Flow }> => {
  const config = await provider(ctx);
  const claim = ctx.config.NOTAFTER_OIDC_GROUPS_CLAIM;
  const scopes = ['openid', 'profile', 'email'];
  // Some providers tell of groups only when asked, others refuse a scope that they do not know.
  if (config.serverMetadata().scopes_supported?.includes(claim) === true) scopes.push(claim);
  const flow = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
  const parameters = {
    redirect_uri: redirectUri(ctx),
    scope: scopes.join(' '),
    code_challenge: await calculatePKCECodeChallenge(flow.verifier),
    code_challenge_method: 'S256',
    state: flow.state,
    nonce: flow.nonce,
  };
  try {
    return { url: buildAuthorizationUrl(config, parameters), flow };
  } catch (error) {
    // Its metadata names an address that no browser may be sent to; the provider is asked anew at the next sign-in.
    known.delete(ctx);
    throw away(ctx, error);
  }
};

/** What went wrong on the way back: the caller's fault, or that of a provider that is away. */
const failureOf = (ctx: Ctx, error: unknown): Error => {
  if (error instanceof AppError) return error;
  const refused =
    error instanceof AuthorizationResponseError || error instanceof ResponseBodyError || error instanceof ClientError;
  const cause = error instanceof ClientError ? error.cause : undefined;
  // The client wraps failed requests as well; those have a cause of the network.
  const network = error instanceof TypeError || (cause instanceof Error && !('claim' in cause) && isNetwork(cause));
  if (!refused || network || isFaulty(error)) return away(ctx, error);
  ctx.log.info({ why: messageOf(error) }, 'a sign-in at the identity provider was not good');
  return new SignInRefused('The identity provider did not confirm this sign-in', { cause: error });
};

const faults: readonly string[] = ['OAUTH_PARSE_ERROR', 'OAUTH_RESPONSE_IS_NOT_JSON'];
const passing: readonly string[] = ['server_error', 'temporarily_unavailable'];

/** The provider says that it cannot (RFC 6749, section 4.1.2.1), or nothing that can be read. */
const isFaulty = (error: Error): boolean =>
  (error instanceof AuthorizationResponseError && passing.includes(error.error)) ||
  (error instanceof ClientError && faults.includes(error.code ?? ''));

const isNetwork = (error: Error): boolean => error.name === 'TimeoutError' || error.message === 'fetch failed';

/**
 * Ends a way through the provider: exchanges the code, checks state, nonce, PKCE and the signed answer, and reads what the
 * provider says of the person; groups that are not in the ID token are asked for.
 *
 * @param search the query that the browser came back with
 * @throws SignInRefused; AppError `unavailable`
 */
export const finishFlow = async (ctx: Ctx, search: string, flow: Flow): Promise<Claims> => {
  const config = await provider(ctx);
  try {
    const tokens = await authorizationCodeGrant(config, new URL(redirectUri(ctx) + search), {
      expectedState: flow.state,
      expectedNonce: flow.nonce,
      pkceCodeVerifier: flow.verifier,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new SignInRefused('The identity provider sent no ID token');
    const wanted = ctx.config.NOTAFTER_OIDC_GROUPS_CLAIM;
    const complete = wanted in claims || config.serverMetadata().userinfo_endpoint === undefined;
    return complete ? claims : { ...(await fetchUserInfo(config, tokens.access_token, claims.sub)), ...claims };
  } catch (error) {
    throw error instanceof SignInRefused ? error : failureOf(ctx, error);
  }
};
