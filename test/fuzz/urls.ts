import { createSocket } from 'node:dgram';
import { addressGuard, canonicalAddress, parseCidrs } from '../../src/net/address-guard.ts';
import { createResolver, LookupError } from '../../src/net/resolver.ts';
import { parseEndpoint } from '../../src/probe/target.ts';
import { type Random, randomOf } from '../chaos/random.ts';
import { debatable, kindOf, type Parsed, parseAddress, special } from './address-oracle.ts';
import type { FuzzOptions } from './http.ts';
import { mutated } from './mutate.ts';
import { createTally, type FuzzReport, type Tally } from './report.ts';

const guard = addressGuard({ allowedCidrs: [] });
/** One case in so many asks a name server. */
const dnsEvery = 100;

const edges = [...special, ...debatable];

/** Addresses near the ends of special blocks, within others, and anywhere. */
const anyAddress = (random: Random): Parsed => {
  const big = (bits: number): bigint => {
    let value = 0n;
    for (let done = 0; done < bits; done += 16) value = (value << 16n) | BigInt(random.between(0, 0xffff));
    return value & ((1n << BigInt(bits)) - 1n);
  };
  const dice = random.next();
  if (dice < 0.5) {
    const { version, first, last } = edges[random.between(0, edges.length - 1)] ?? { version: 4, first: 0n, last: 0n };
    const most = version === 4 ? (1n << 32n) - 1n : (1n << 128n) - 1n;
    const near = random.pick([first, last]) + BigInt(random.between(-2, 2));
    return { version, value: near < 0n ? 0n : near > most ? most : near };
  }
  if (dice < 0.7) return { version: 4, value: big(32) };
  const v4 = random.chance(0.5)
    ? big(32)
    : (edges.filter(({ version }) => version === 4)[random.between(0, 14)]?.first ?? 0n);
  if (dice < 0.85)
    return {
      version: 6,
      value: random.pick([0xffffn << 32n, 0x64ff9bn << 96n, 0n, 0x2002n << 112n, 0x64ff9b0001n << 80n]) | v4,
    };
  return { version: 6, value: random.chance(0.6) ? (1n << 125n) | (big(128) & ((1n << 125n) - 1n)) : big(128) };
};

const groupsOf = (value: bigint): string[] =>
  Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
const dotted = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');

/** One of the spellings of an address. */
const spelled = ({ version, value }: Parsed, random: Random): string => {
  if (version === 4) return dotted(value);
  const groups = groupsOf(value);
  const padded = random.chance(0.3)
    ? groups.map((group) => group.padStart(random.between(group.length, 4), '0'))
    : groups;
  const cased = random.chance(0.3) ? padded.map((group) => group.toUpperCase()) : padded;
  if (random.chance(0.3)) return `${cased.slice(0, 6).join(':')}:${dotted(value & 0xffff_ffffn)}`;
  const run = /(?:^|:)0(?::0)+(?=:|$)/.exec(cased.join(':'));
  return run === null || random.chance(0.4)
    ? cased.join(':')
    : cased
        .join(':')
        .replace(run[0], run.index === 0 ? ':' : ':')
        .replace(/^:(?!:)/, '::')
        .replace(/:$/, '::')
        .replace(/([^:]):(?=:[^:])/, '$1:');
};

/** What browsers and C libraries read as addresses, and what only looks like one. */
const odd = ({ version, value }: Parsed, random: Random): string => {
  const text = spelled({ version, value }, random);
  const number = value & 0xffff_ffffn;
  return random.pick([
    String(number),
    `0x${number.toString(16)}`,
    `0${number.toString(8)}`,
    `${dotted(number)}.`,
    dotted(number).replace('.', '.0'),
    `${text}%eth0`,
    `[${text}]`,
    ` ${text}`,
    `${text} `,
    `${text}/32`,
    `::ffff:${dotted(number)}`,
    `::${dotted(number)}`,
    `64:ff9b::${dotted(number)}`,
    dotted(number).split('.').slice(0, 3).join('.'),
    `${text}\u0000`,
    text.replaceAll('.', '\u3002'),
    mutated(Buffer.from(text), random).toString('latin1'),
  ]);
};

const judged = (text: string): 'public' | 'special' | 'debatable' | 'none' => {
  const parsed = parseAddress(text);
  return parsed === null ? 'none' : kindOf(parsed);
};

/** Holds what the guard says of a text against the oracle. */
const tryText = (text: string, at: number, tally: Tally): void => {
  const kind = judged(text);
  const reason = guard(text);
  tally.count(`${kind}: ${reason === null ? 'let through' : 'refused'}`);
  if (reason === null && kind !== 'public' && kind !== 'debatable')
    tally.flaw(`lets through what is ${kind}`, text, at);
  if (reason !== null && kind === 'public') tally.flaw(`refuses what is public: ${reason}`, text, at);
  const [parsed, endpoint] = [parseAddress(text), parseEndpoint(text, 443)];
  if (parsed === null) return;
  if (parseAddress(canonicalAddress(text))?.value !== parsed.value) tally.flaw('writes another address', text, at);
  if (endpoint === null || parseAddress(endpoint.address)?.value !== parsed.value)
    tally.flaw('reads another endpoint', text, at);
};

/** What the URL parser makes of a host must not get past the guard in another form. */
const tryUrl = async (
  text: string,
  at: number,
  tally: Tally,
  resolver: ReturnType<typeof createResolver>,
): Promise<void> => {
  const url = URL.parse(`https://${text}/`);
  if (url === null || /[a-z]/i.test(url.hostname.replace(/^\[.*\]$/, ''))) return;
  const addresses = await resolver.addresses(url.hostname).catch((error: unknown) => {
    if (!(error instanceof LookupError)) tally.flaw(`a lookup fails with ${String(error)}`, text, at);
    return [];
  });
  for (const address of addresses)
    if (guard(address) === null && judged(address) === 'special')
      tally.flaw('a URL leads to what is special', text, at);
};

/** A name server that answers with addresses, or with something near such an answer. */
const hostileDns = async (random: Random) => {
  const socket = createSocket('udp4');
  const told = new Set<string>();
  socket.on('message', (packet, from) => {
    const type = packet.readUInt16BE(packet.length - 4);
    const answers = Array.from({ length: random.between(0, 20) }, () => anyAddress(random)).filter(
      ({ version }) => version === (type === 1 ? 4 : 6),
    );
    const records = answers.map((address) => {
      told.add(`${address.version} ${address.value}`);
      const size = type === 1 ? 4 : 16;
      const head = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, size]);
      return Buffer.concat([head, Buffer.from(address.value.toString(16).padStart(2 * size, '0'), 'hex')]);
    });
    const reply = Buffer.concat([packet, ...records]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(records.length, 6);
    reply.writeUInt32BE(0, 8);
    const sent = random.chance(0.5) ? reply : Buffer.concat([reply.subarray(0, 2), mutated(reply.subarray(2), random)]);
    socket.send(sent.subarray(0, 60_000), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { server: `127.0.0.1:${socket.address().port}`, close: () => socket.close() };
};

/** Tries addresses in every spelling, hosts of URLs and answers of name servers against an oracle that shares no code. */
export const fuzzUrls = async ({ seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> => {
  const random = randomOf(seed);
  const tally = createTally();
  const dns = await hostileDns(random);
  const resolver = createResolver([dns.server], 30);
  const started = performance.now();
  for (let at = 0; at < count; at += 1) {
    const address = anyAddress(random);
    const text = random.chance(0.6) ? spelled(address, random) : odd(address, random);
    tryText(text, at, tally);
    parseCidrs(`${text}/${random.between(-1, 140)},${text}`);
    await tryUrl(text.includes(':') ? `[${text}]` : text, at, tally, resolver);
    if (at % dnsEvery === 0) {
      const found = await resolver.addresses('name.example').catch((error: unknown) => {
        if (!(error instanceof LookupError)) tally.flaw(`a lookup fails with ${String(error)}`, '', at);
        return [];
      });
      tally.count(found.length > 0 ? 'name with addresses' : 'name without');
      for (const one of found) tryText(one, at, tally);
      if (found.length > 16) tally.flaw(`${found.length} addresses of one name`, '', at);
    }
    if (at > 0 && at % 50_000 === 0) onProgress?.(at);
  }
  dns.close();
  const seconds = (performance.now() - started) / 1000;
  return { target: 'urls', seed, cases: count, seconds, answers: tally.answers, flaws: tally.flaws, figures: {} };
};
