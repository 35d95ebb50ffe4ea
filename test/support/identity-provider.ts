import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider, type RequestContext } from 'oidc-provider';

/** What the provider says of a person. */
export type Person = Readonly<Record<string, unknown>> & { readonly sub: string };

/** An OpenID Connect provider on loopback, at which whoever comes is signed in as `person` without being asked. */
export interface IdentityProvider {
  readonly issuer: string;
  /** Walks a browser from the authorization address to the way back. @returns the query it comes back with. */
  walk(authorization: string): Promise<string>;
  /** Who signs in next. */
  setPerson(person: Person): void;
  stop(): Promise<void>;
}

export interface ProviderOptions {
  readonly redirectUri: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Whether claims stand in the ID token; otherwise they have to be asked for. */
  readonly inIdToken?: boolean;
  readonly port?: number;
}

const scope = 'openid profile email';

const grantAll = async (ctx: RequestContext) => {
  const { client, session, provider } = ctx.oidc;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope(scope);
  await grant.save();
  return grant;
};

/** Starts a provider on a free port, or on the one given. */
export const startIdentityProvider = async (options: ProviderOptions): Promise<IdentityProvider> => {
  let person: Person = { sub: 'nobody' };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  // A bound TCP server's address is an AddressInfo.
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: options.clientId,
        client_secret: options.clientSecret,
        redirect_uris: [options.redirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['preferred_username', 'groups'],
    },
    conformIdTokenClaims: options.inIdToken !== true,
    cookies: { keys: ['a key of the test'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    interactions: { url: (_: unknown, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}` },
    loadExistingGrant: grantAll,
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => person }),
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    const done =
      request.url?.startsWith('/interaction/') === true
        ? provider.interactionFinished(request, response, { login: { accountId: person.sub } })
        : answer(request, response);
    done.catch(() => response.destroy());
  });
  return {
    issuer,
    setPerson: (next) => {
      person = next;
    },
    walk: async (authorization) => {
      const jar = new Map<string, string>();
      let at = new URL(authorization);
      for (let step = 0; step < 10; step += 1) {
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
        const reply = await fetch(at, { redirect: 'manual', headers: { cookie } });
        await reply.body?.cancel();
        for (const line of reply.headers.getSetCookie()) {
          const [pair = ''] = line.split(';');
          jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        }
        const location = reply.headers.get('location');
        if (location === null) throw new Error(`the provider answered ${reply.status} without a way on`);
        at = new URL(location, at);
        if (at.href.startsWith(options.redirectUri)) return at.search;
      }
      throw new Error('the provider leads round in circles');
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
