import { afterEach, describe, expect, it } from 'vitest';
import { type DnsAnswer, type DnsStub, type RecordType, startDns } from '../../test/support/dns.ts';
import { createResolver, LookupError, type LookupFault } from './resolver.ts';

let stub: DnsStub | null = null;
afterEach(async () => {
  await stub?.close();
  stub = null;
});

const ask = async (name: string, answer: (name: string, type: RecordType) => DnsAnswer): Promise<string[]> => {
  stub = await startDns(answer);
  return createResolver([stub.server], 250).addresses(name);
};

const byType =
  (a: DnsAnswer, aaaa: DnsAnswer) =>
  (_: string, type: RecordType): DnsAnswer =>
    type === 'A' ? a : aaaa;

const faultOf = async (work: Promise<unknown>): Promise<LookupFault | null> => {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof LookupError) return error.kind;
    throw error;
  }
};

describe('createResolver', () => {
  it('asks for both kinds and gives IPv4 first, each kind once and sorted', async () => {
    const found = await ask('a.test', byType(['192.0.2.9', '192.0.2.1', '192.0.2.9'], ['2001:db8::1']));
    expect(found).toEqual(['192.0.2.1', '192.0.2.9', '2001:db8::1']);
    expect(stub?.asked.toSorted()).toEqual(['A a.test', 'AAAA a.test']);
  });

  it('keeps sixteen, of both kinds', async () => {
    const many = (prefix: string): string[] => Array.from({ length: 20 }, (_, index) => `${prefix}${index + 1}`);
    const found = await ask('a.test', byType(many('192.0.2.'), many('2001:db8::')));
    expect(found.filter((address) => address.includes(':'))).toHaveLength(8);
    expect(found).toHaveLength(16);
    await stub?.close();
    expect(await ask('a.test', byType(many('192.0.2.'), ['2001:db8::1']))).toHaveLength(16);
  });

  it.each([
    ['only the one kind exists', [], ['2001:db8::1']],
    ['the other kind fails', 2, ['2001:db8::1']],
    ['the other kind is not found', ['192.0.2.1'], 3],
  ])('gives what there is when %s', async (_, a, aaaa) => {
    expect(await ask('a.test', byType(a, aaaa))).toHaveLength(1);
  });

  it('does not wait for ever for a kind that is never answered', async () => {
    expect(await ask('a.test', byType(['192.0.2.1'], null))).toEqual(['192.0.2.1']);
  });

  it('gives what one kind answered although several name servers are silent about the other', async () => {
    const answer = byType(['192.0.2.1'], null);
    const stubs = await Promise.all([startDns(answer), startDns(answer), startDns(answer)]);
    const resolver = createResolver(
      stubs.map(({ server }) => server),
      250,
    );
    const started = performance.now();
    expect(await resolver.addresses('a.test')).toEqual(['192.0.2.1']);
    expect(performance.now() - started).toBeLessThan(1200);
    resolver.cancel();
    for (const { close } of stubs) await close();
  });

  it.each<[LookupFault, DnsAnswer, DnsAnswer]>([
    ['not_found', 3, 3],
    ['not_found', [], []],
    ['failed', 2, []],
    ['failed', 5, 3],
    ['timeout', null, null],
    ['timeout', 3, null],
  ])(
    'tells %s of %j and %j',
    async (kind, a, aaaa) => {
      expect(await faultOf(ask('a.test', byType(a, aaaa)))).toBe(kind);
    },
    10_000,
  );

  it('gives literal addresses back and answers localhost itself', async () => {
    const resolver = createResolver(['127.0.0.1:9']);
    expect(await resolver.addresses('192.0.2.7')).toEqual(['192.0.2.7']);
    expect(await resolver.addresses('[2001:db8::1]')).toEqual(['2001:db8::1']);
    expect(await resolver.addresses('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(await resolver.addresses('App.Localhost.')).toEqual(['127.0.0.1', '::1']);
  });

  it.each(['0177.0.0.1', '2130706433', '0x7f.1', '0x7f000001', '127.1', '1.2.3.4.5', '', 'a.'.repeat(130)])(
    'knows no address of %.20s, and asks nobody',
    async (name) => {
      stub = await startDns(() => ['192.0.2.1']);
      expect(await faultOf(createResolver([stub.server]).addresses(name))).toBe('not_found');
      expect(stub.asked).toEqual([]);
    },
  );
});
