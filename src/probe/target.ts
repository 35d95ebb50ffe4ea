import { isIP } from 'node:net';
import type { ProbeTarget, StarttlsProtocol } from '../lifecycle/served.ts';
import { canonicalAddress } from '../net/address-guard.ts';
import { LookupError, type Resolver } from '../net/resolver.ts';
import type { Endpoint, Fault } from './connection.ts';
import { starttlsPorts } from './starttls.ts';

const httpsPort = 443;
/** Stands for every name below a wildcard; a server that knows the wildcard has to answer for it too. */
const wildcardLabel = 'notafter-probe';

/** The name asked for in DNS and in the handshake. */
export const servedName = (domain: string): string =>
  domain.startsWith('*.') ? `${wildcardLabel}${domain.slice(1)}` : domain;

/** `192.0.2.1:443`, `[2001:db8::1]:443` */
export const endpointText = ({ address, port }: Endpoint): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Reads `address[:port]`, IPv6 with a port in brackets; null when it is none. */
export const parseEndpoint = (text: string, defaultPort: number): Endpoint | null => {
  const bare = isIP(text) === 6 ? [text, undefined] : (/^\[?([^[\]]+?)\]?(?::(\d{1,5}))?$/.exec(text)?.slice(1) ?? []);
  const [address = '', port] = bare;
  const number = port === undefined ? defaultPort : Number(port);
  const isValid = isIP(address) !== 0 && !address.includes('%') && number >= 1 && number <= 65_535;
  return isValid ? { address: canonicalAddress(address), port: number } : null;
};

const portOf = (starttls: StarttlsProtocol | null): number => (starttls === null ? httpsPort : starttlsPorts[starttls]);

const lookupFault = (error: unknown): Fault => {
  if (!(error instanceof LookupError)) throw error;
  return { verdict: error.kind === 'timeout' ? 'dns_timeout' : 'dns_failed', error: error.message };
};

/** Where a target is served: its own addresses, else those in DNS. */
export const endpointsOf = async (
  { domain, probeAddress, starttls }: ProbeTarget,
  resolver: Pick<Resolver, 'addresses'>,
): Promise<readonly Endpoint[] | Fault> => {
  const port = portOf(starttls);
  if (probeAddress !== null) {
    const endpoints = probeAddress.map((text) => parseEndpoint(text, port)).filter((endpoint) => endpoint !== null);
    return endpoints.length > 0
      ? endpoints
      : { verdict: 'dns_failed', error: 'the probe address is not an IP address' };
  }
  const name = servedName(domain);
  if (!name.includes('.') && name !== 'localhost') return { verdict: 'dns_failed', error: 'the name has no dot' };
  try {
    return (await resolver.addresses(name)).map((address) => ({ address, port }));
  } catch (error) {
    return lookupFault(error);
  }
};
