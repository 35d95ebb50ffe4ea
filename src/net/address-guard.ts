import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

export interface GuardOptions {
  /** Ranges that may be reached although they are not public. */
  readonly allowedCidrs: readonly string[];
  /** Ranges that are never reached, whatever else allows them. */
  readonly refusedCidrs?: readonly string[];
  /** True lets 127.0.0.0/8 and ::1 through. */
  readonly loopback?: boolean;
}

/** Null when the address may be reached, else why not, in a few words. */
export type AddressGuard = (address: string) => string | null;

const publicV6: Range = [ipaddr.parse('2000::'), 3];
const mapped: Range = [ipaddr.parse('::ffff:0:0'), 96];
const nat64: Range = [ipaddr.parse('64:ff9b::'), 96];
// Nobody offers TLS to the public through these, and their inner address is anybody's choice.
const tunnels: readonly (readonly [string, Range])[] = [
  ['IPv4-compatible IPv6', [ipaddr.parse('::'), 96]],
  ['6to4', [ipaddr.parse('2002::'), 16]],
  ['Teredo', [ipaddr.parse('2001::'), 32]],
];
// Azure answers its virtual machines here with their certificates and settings.
const wireServer = '168.63.129.16';

const within = (address: Address, [network, bits]: Range): boolean => {
  if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, bits);
  return network instanceof ipaddr.IPv6 && address.match(network, bits);
};

/** ipaddr.js reads `::1.2.3.4` as IPv4-mapped; a dotted tail is therefore turned into two groups first. */
const parse = (text: string): Address =>
  ipaddr.parse(
    text.includes(':')
      ? text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...bytes) => {
          const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
          return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        })
      : text,
  );

/** The address a packet ends up at: IPv4-mapped (RFC 4291) and NAT64 (RFC 6052) are unwrapped. */
const destination = (address: Address): Address => {
  if (!within(address, mapped) && !within(address, nat64)) return address;
  return ipaddr.fromByteArray(address.toByteArray().slice(12));
};

const reasonAgainst = (address: Address): string | null => {
  if (address.toString() === wireServer) return 'is the metadata service of a cloud';
  const kind: string = address.range();
  if (kind === 'loopback') return 'is a loopback address';
  const tunnel = tunnels.find(([, range]) => within(address, range));
  if (tunnel !== undefined) return `is a ${tunnel[0]} address`;
  const isPublic = kind === 'unicast' && (address.kind() === 'ipv4' || within(address, publicV6));
  return isPublic ? null : 'is not a public address';
};

/**
 * Decides which addresses may be connected to: public unicast ones only, and what the operator allows beside them.
 * Anything but a plain IPv4 or IPv6 address (`127.1`, `0x7f.1`, `2130706433`, a zone id) is refused.
 *
 * @throws Error when a range is not CIDR; see {@link parseCidrs}.
 */
export const addressGuard = ({ allowedCidrs, refusedCidrs = [], loopback = false }: GuardOptions): AddressGuard => {
  const allowed = [...allowedCidrs, ...(loopback ? ['127.0.0.0/8', '::1/128'] : [])].map(parseRange);
  const refused = refusedCidrs.map(parseRange);
  return (text) => {
    if (isIP(text) === 0 || text.includes('%')) return 'is not an IP address';
    const written = parse(text);
    const address = destination(written);
    const isIn = (range: Range): boolean => within(address, range) || within(written, range);
    if (refused.some(isIn)) return 'is in a range that the operator refuses';
    return allowed.some(isIn) ? null : reasonAgainst(address);
  };
};

/** The one spelling of an address (RFC 5952), so that it can serve as a key. */
export const canonicalAddress = (address: string): string => parse(address).toString();

/** Whether an address lies in one of the ranges; unwrapped as the guard does it. */
export const cidrMatcher = (cidrs: readonly string[]): ((address: string) => boolean) => {
  const ranges = cidrs.map(parseRange);
  return (text) => {
    if (ranges.length === 0 || isIP(text) === 0 || text.includes('%')) return false;
    const address = destination(parse(text));
    return ranges.some((range) => within(address, range));
  };
};

const tryRange = (text: string): Range | null => {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return null;
  const most = version === 4 ? 32 : 128;
  if (bits === undefined) return [parse(address), most];
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? [parse(address), Number(bits)] : null;
};

const parseRange = (text: string): Range => {
  const range = tryRange(text);
  if (range === null) throw new Error('an address range is not in CIDR form');
  return range;
};

/**
 * Reads a comma list of ranges such as `10.0.0.0/8, fd00::/8`; a bare address stands for itself alone.
 *
 * @returns the ranges that can be used, and the positions (from 1) of the entries that cannot.
 */
export const parseCidrs = (text: string): { readonly cidrs: readonly string[]; readonly bad: readonly number[] } => {
  const entries = text.trim() === '' ? [] : text.split(',').map((entry) => entry.trim());
  return {
    cidrs: entries.filter((entry) => tryRange(entry) !== null),
    bad: entries.flatMap((entry, index) => (tryRange(entry) === null ? [index + 1] : [])),
  };
};
