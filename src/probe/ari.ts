import { rootCertificates } from 'node:tls';
import { buildConnector, Client } from 'undici';
import { type RenewalInfo, renewalInfoUrlOf, windowEndOf } from '../lifecycle/ari.ts';
import { parseRetryAfter } from '../lifecycle/delivery.ts';
import { addressGuard } from '../net/address-guard.ts';
import { createResolver, LookupError } from '../net/resolver.ts';
import { keepNewest } from './bounded-map.ts';

const requestMs = 5000;
const maxBytes = 64 * 1024;
const directoryMs = 3_600_000;
const maxDirectories = 100;

export interface AriSettings {
  /** Ranges that may be reached although they are not public, and those that never are. */
  readonly allowedCidrs: readonly string[];
  readonly refusedCidrs?: readonly string[];
  readonly dnsServers: readonly string[];
  /** CAs to trust beside the usual roots; null for none. */
  readonly trustedCaPem: string | null;
  readonly now: () => number;
}

export interface AriClient {
  /** Asks the CA of this directory when to renew a certificate; `certId` as RFC 9773, section 4.1 makes it. Never rejects. */
  readonly renewalInfo: (directory: string, certId: string) => Promise<RenewalInfo>;
}

/** Something that the CA or the way to it does not do; the message is for an operator. */
class AriError extends Error {
  override readonly name = 'AriError';
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfterMs: number | null = null) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

interface Answer {
  readonly body: unknown;
  readonly retryAfterMs: number | null;
}

type Get = (url: string) => Promise<Answer>;

const readBounded = async (body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new AriError('the answer is longer than 64 KiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new AriError('the answer is not JSON');
  }
};

const parseUrl = (text: string): URL => {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.username !== '') throw new AriError('the address is not an https URL');
  return url;
};

/** Finds an address of a host that may be connected to. */
const vetting = ({ dnsServers, ...ranges }: AriSettings): ((host: string) => Promise<string>) => {
  const guard = addressGuard(ranges);
  const resolver = createResolver(dnsServers);
  return async (host) => {
    const addresses = await resolver.addresses(host).catch((error: unknown) => {
      throw new AriError(error instanceof LookupError ? error.message : 'the name could not be looked up');
    });
    const found = addresses.find((address) => guard(address) === null);
    if (found !== undefined) return found;
    throw new AriError(`the address ${guard(addresses[0] ?? '') ?? 'is missing'} and may not be reached`);
  };
};

/** Gets JSON over https from vetted addresses only: no redirects, five seconds, 64 KiB. */
const getter = (settings: AriSettings): Get => {
  const vetted = vetting(settings);
  const { trustedCaPem, now } = settings;
  const secure = buildConnector({
    allowH2: false,
    maxCachedSessions: 0,
    ...(trustedCaPem !== null && { ca: [...rootCertificates, trustedCaPem] }),
  });
  return async (text) => {
    const url = parseUrl(text);
    const address = await vetted(url.hostname);
    const client = new Client(url.origin, {
      connect: (options, done) => secure({ ...options, hostname: address, servername: url.hostname }, done),
    });
    try {
      const path = `${url.pathname}${url.search}`;
      const signal = AbortSignal.timeout(requestMs);
      const { statusCode, headers, body } = await client.request({
        method: 'GET',
        path,
        headers: { 'user-agent': 'notafter', accept: 'application/json' },
        signal,
      });
      const retryAfter = headers['retry-after'];
      const retryAfterMs = parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : null, now());
      if (statusCode !== 200) throw new AriError(`the CA answered ${statusCode}`, retryAfterMs);
      return { body: parseJson((await readBounded(body)).toString('utf8')), retryAfterMs };
    } finally {
      await client.destroy();
    }
  };
};

const failure = (error: unknown): RenewalInfo => {
  if (error instanceof AriError) return { kind: 'failed', error: error.message, retryAfterMs: error.retryAfterMs };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const why = error instanceof Error && error.name === 'TimeoutError' ? 'it took longer than 5 s' : code;
  return { kind: 'failed', error: `the CA cannot be reached${why === '' ? '' : ` (${why})`}`, retryAfterMs: null };
};

/** A client for renewal information; it remembers each directory for an hour. */
export const createAriClient = (settings: AriSettings): AriClient => {
  const get = getter(settings);
  const directories = new Map<string, { readonly url: string | null; readonly until: number }>();

  const placeOf = async (directory: string): Promise<string | null> => {
    const known = directories.get(directory);
    if (known !== undefined && known.until > settings.now()) return known.url;
    const url = renewalInfoUrlOf((await get(directory)).body);
    if (url === undefined) throw new AriError('the answer is not a directory');
    keepNewest(directories, directory, { url, until: settings.now() + directoryMs }, maxDirectories);
    return url;
  };

  return {
    renewalInfo: async (directory, certId) => {
      try {
        const place = await placeOf(directory);
        if (place === null) return { kind: 'none' };
        const { body, retryAfterMs } = await get(`${place.replace(/\/$/, '')}/${certId}`);
        const endsAt = windowEndOf(body);
        if (endsAt === null) throw new AriError('the answer names no window to renew in', retryAfterMs);
        return { kind: 'window', endsAt, retryAfterMs };
      } catch (error) {
        return failure(error);
      }
    },
  };
};
