// Reads addresses and knows the special ones by the registries of IANA, without any code of the product or of its libraries.

/** An address as a number. */
export interface Parsed {
  readonly version: 4 | 6;
  readonly value: bigint;
}

const parseV4 = (text: string): bigint | null => {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return null;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
};

const parseGroups = (text: string): readonly bigint[] | null => {
  if (text === '') return [];
  const groups = text.split(':');
  return groups.every((group) => /^[\da-f]{1,4}$/i.test(group)) ? groups.map((group) => BigInt(`0x${group}`)) : null;
};

/** IPv6 with a dotted tail as groups only. */
const withoutDots = (text: string): string | null => {
  if (!text.includes('.')) return text;
  const at = text.lastIndexOf(':') + 1;
  const tail = parseV4(text.slice(at));
  return tail === null ? null : `${text.slice(0, at)}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
};

const parseV6 = (written: string): bigint | null => {
  const text = withoutDots(written);
  if (text === null) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = [parseGroups(halves[0] ?? ''), parseGroups(halves[1] ?? '')];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const all = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return all.reduce((value, group) => (value << 16n) | group, 0n);
};

/** RFC 4291, section 2.2, and dotted decimal; null for anything else, zones included. */
export const parseAddress = (text: string): Parsed | null => {
  const v4 = parseV4(text);
  if (v4 !== null) return { version: 4, value: v4 };
  const v6 = text.includes(':') ? parseV6(text) : null;
  return v6 === null ? null : { version: 6, value: v6 };
};

const block = (text: string): { readonly version: 4 | 6; readonly first: bigint; readonly last: bigint } => {
  const [address = '', bits = ''] = text.split('/');
  const parsed = parseAddress(address);
  if (parsed === null) throw new Error(`${text} is no block`);
  const size = 1n << BigInt((parsed.version === 4 ? 32 : 128) - Number(bits));
  return { version: parsed.version, first: parsed.value, last: parsed.value + size - 1n };
};

/** Not globally reachable, or given to protocols (IANA special-purpose registries; RFC 6890), multicast, and one address of a cloud. */
export const special = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '168.63.129.16/32',
  '2001::/32',
  '2001:2::/48',
  '2001:10::/28',
  '2001:20::/28',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
].map(block);

/** Reachable for all, and kept for protocols all the same: to refuse them is no fault. */
export const debatable = [
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.175.48.0/24',
  '2001::/23',
  '2620:4f:8000::/48',
].map(block);

const within = (blocks: readonly ReturnType<typeof block>[], { version, value }: Parsed): boolean =>
  blocks.some((one) => one.version === version && value >= one.first && value <= one.last);

const embedded = ['::ffff:0:0/96', '64:ff9b::/96'].map(block);
const global = [block('2000::/3')];

/** Where a packet to an address ends up: IPv4 within IPv6 is unwrapped. */
const endOf = (address: Parsed): Parsed =>
  within(embedded, address) ? { version: 4, value: address.value & 0xffff_ffffn } : address;

/** `public`: anybody's server may be there; `special`: never to be reached; `debatable`: either is right. */
export const kindOf = (address: Parsed): 'public' | 'special' | 'debatable' => {
  const end = endOf(address);
  if (within(special, end) || (end.version === 6 && !within(global, end))) return 'special';
  return within(debatable, end) ? 'debatable' : 'public';
};
