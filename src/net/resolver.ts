import { promises as dns } from 'node:dns';
import { isIP } from 'node:net';

const defaultTryMs = 2000;
const tries = 2;
const maxAddresses = 16;

/** `not_found`: the name has no address. `timeout`: no name server answered. `failed`: one answered with a fault. */
export type LookupFault = 'not_found' | 'timeout' | 'failed';

const messages: Readonly<Record<LookupFault, string>> = {
  not_found: 'the name has no address in DNS',
  timeout: 'no name server answered in time',
  failed: 'the name server could not answer',
};

/** A name that led to no address. */
export class LookupError extends Error {
  override readonly name = 'LookupError';
  readonly kind: LookupFault;

  constructor(kind: LookupFault) {
    super(messages[kind]);
    this.kind = kind;
  }
}

export interface Resolver {
  /**
   * Every address of a name, IPv4 first, each kind sorted, at most sixteen; a literal address is given back as it is.
   *
   * @throws LookupError when there is none.
   */
  readonly addresses: (name: string) => Promise<string[]>;
  /** Ends the questions under way; they fail. */
  readonly cancel: () => void;
}

const none = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

const faultOf = (reason: unknown): LookupFault => {
  if (reason instanceof LookupError) return reason.kind;
  const code = reason instanceof Error && 'code' in reason ? reason.code : null;
  if (code === 'ETIMEOUT') return 'timeout';
  return typeof code === 'string' && none.has(code) ? 'not_found' : 'failed';
};

const worst = (faults: readonly LookupFault[]): LookupFault => {
  if (faults.includes('timeout')) return 'timeout';
  return faults.includes('failed') ? 'failed' : 'not_found';
};

/** Sorted, so that a name with more addresses than are kept gives the same ones each time; neither kind crowds out the other. */
const pick = (v4: readonly string[], v6: readonly string[]): string[] => {
  const half = maxAddresses / 2;
  const room = maxAddresses - Math.min(half, new Set(v6).size);
  const first = [...new Set(v4)].sort().slice(0, room);
  return [...first, ...[...new Set(v6)].sort().slice(0, maxAddresses - first.length)];
};

/** Last labels that make a resolver of the system read a name as an address: `127.1`, `0x7f.1`, `2130706433`. */
const looksNumeric = (name: string): boolean => /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/i.test(name);

const isLocalhost = (name: string): boolean => /(?:^|\.)localhost$/i.test(name);

/** At most `ms`, whatever c-ares does with several name servers. */
const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new LookupError('timeout')), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Asks DNS for A and AAAA apart, two tries of two seconds each, without the thread pool. `localhost` and what lies under it is
 * answered here (RFC 6761, section 6.3); the hosts file is not read.
 *
 * @param servers `address[:port]` of the name servers; those of the system when absent or empty.
 * @param tryMs how long a name server may take, each of the two times.
 */
export const createResolver = (servers: readonly string[] = [], tryMs: number = defaultTryMs): Resolver => {
  const channel = new dns.Resolver({ timeout: tryMs, tries, maxTimeout: tryMs });
  if (servers.length > 0) channel.setServers(servers);

  const ask = async (name: string): Promise<string[]> => {
    // A deadline for each kind: one that is never answered must not take the other with it.
    const limit = tries * tryMs + 200;
    const [v4, v6] = await Promise.allSettled([
      within(limit, channel.resolve4(name)),
      within(limit, channel.resolve6(name)),
    ]);
    const found = pick(v4.status === 'fulfilled' ? v4.value : [], v6.status === 'fulfilled' ? v6.value : []);
    if (found.length > 0) return found;
    throw new LookupError(
      worst([v4, v6].map((answer) => (answer.status === 'rejected' ? faultOf(answer.reason) : 'not_found'))),
    );
  };

  return {
    cancel: () => channel.cancel(),
    addresses: async (written) => {
      const name = written.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
      if (isIP(name) !== 0) return [name];
      if (isLocalhost(name)) return ['127.0.0.1', '::1'];
      if (name === '' || name.length > 253 || looksNumeric(name)) throw new LookupError('not_found');
      return ask(name);
    },
  };
};
