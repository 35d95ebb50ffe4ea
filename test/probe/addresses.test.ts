import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ProbeTarget } from '../../src/lifecycle/served.ts';
import type { ProberSettings } from '../../src/probe/prober.ts';
import { type DnsAnswer, type DnsStub, type RecordType, startDns } from '../support/dns.ts';
import { createStage, goodLeaf, knownAt, targetAt } from './support.ts';

const stage = createStage();

const dns = async (answer: (name: string, type: RecordType) => DnsAnswer): Promise<DnsStub> => {
  const stub = await startDns(answer);
  stage.onClose(stub.close);
  return stub;
};

/** A server that must not be reached; tells how often it was. */
const trap = async (): Promise<{ port: number; reached: () => number }> => {
  let count = 0;
  const port = await stage.serveRaw((socket: Socket) => {
    count += 1;
    socket.destroy();
  });
  return { port, reached: () => count };
};

const viaDns: Partial<ProbeTarget> = { probeAddress: null, starttls: null };

describe('private addresses', () => {
  it.each([
    '127.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::127.0.0.1]',
    '[::127.0.0.1]',
    '[2002:7f00:1::]',
    '0.0.0.0',
    '[::]',
    '10.0.0.1',
    '169.254.169.254',
    '168.63.129.16',
    '100.64.0.1',
    '[fe80::1]',
    '[fd00::1]',
  ])('such as %s are not connected to', async (address) => {
    const { port, reached } = await trap();
    const prober = stage.prober({ allowedCidrs: [] });
    const { looks } = await prober.probe(targetAt(port, { probeAddress: [`${address}:${port}`] }));
    expect(looks).toMatchObject([{ verdict: 'address_refused', certificate: null, durationMs: 0 }]);
    expect(reached()).toBe(0);
  });

  it('are refused when DNS names them, beside the allowed ones', async () => {
    const { reached } = await trap();
    const stub = await dns((_, type) => (type === 'A' ? ['10.0.0.1', '127.0.0.1'] : ['::1', 'fd00::1']));
    const prober = stage.prober({ allowedCidrs: ['127.0.0.1/32'], dnsServers: [stub.server] });
    const { looks, fault } = await prober.probe(targetAt(443, viaDns));
    expect(fault).toBeNull();
    expect(looks.map(({ address, verdict }) => [address, verdict === 'address_refused'])).toEqual([
      ['10.0.0.1:443', true],
      ['127.0.0.1:443', false],
      ['[::1]:443', true],
      ['[fd00::1]:443', true],
    ]);
    expect(reached()).toBe(0);
  });

  it('are not reached by a name that changes its mind: the address that was vetted is the one connected to', async () => {
    const { port, reached } = await trap();
    let lookups = 0;
    const stub = await dns((_, type) => {
      if (type === 'AAAA') return [];
      lookups += 1;
      return lookups === 1 ? ['127.0.0.2'] : ['127.0.0.1'];
    });
    const settings: Partial<ProberSettings> = {
      allowedCidrs: ['127.0.0.2/32'],
      dnsServers: [stub.server],
      timeoutMs: 500,
    };
    const prober = stage.prober(settings);
    // The trap's port is what the rebound name would lead to.
    const rebinding = { ...targetAt(port, viaDns), known: knownAt(port) };
    const first = await prober.probe(rebinding);
    expect(first.looks).toMatchObject([{ address: '127.0.0.2:443', verdict: 'connection_refused' }]);
    expect(lookups).toBe(1);
    const second = await prober.probe(rebinding);
    expect(second.looks).toMatchObject([{ address: '127.0.0.1:443', verdict: 'address_refused' }]);
    expect(reached()).toBe(0);
  });

  it('are refused by the operator even inside an allowed range', async () => {
    const { port, reached } = await trap();
    const prober = stage.prober({ allowedCidrs: ['127.0.0.0/8'], refusedCidrs: ['127.0.0.1'] });
    const { looks } = await prober.probe(targetAt(port));
    expect(looks).toMatchObject([{ verdict: 'address_refused', error: expect.stringContaining('operator refuses') }]);
    expect(reached()).toBe(0);
  });
});

describe('ports', () => {
  it('of public addresses are those of a list', async () => {
    const prober = stage.prober({ allowedCidrs: [], allowedPorts: [443] });
    const { looks } = await prober.probe(targetAt(22, { probeAddress: ['1.1.1.1:22'] }));
    expect(looks).toMatchObject([
      { verdict: 'address_refused', error: 'port 22 may not be probed at public addresses' },
    ]);
  });

  it('default to those of the protocol', async () => {
    const prober = stage.prober({ allowedCidrs: [] });
    const addressOf = async (more: Partial<ProbeTarget>): Promise<string | undefined> =>
      (await prober.probe(targetAt(1, { probeAddress: ['10.0.0.1'], ...more }))).looks[0]?.address;
    expect(await addressOf({})).toBe('10.0.0.1:443');
    expect(await addressOf({ starttls: 'smtp' })).toBe('10.0.0.1:25');
    expect(await addressOf({ starttls: 'imap' })).toBe('10.0.0.1:143');
    expect(await addressOf({ starttls: 'postgres' })).toBe('10.0.0.1:5432');
    expect(await addressOf({ probeAddress: ['FD00:0::1'] })).toBe('[fd00::1]:443');
  });
});

describe('names', () => {
  it.each<[string, DnsAnswer, string]>([
    ['that do not exist', 3, 'dns_failed'],
    ['without an address', [], 'dns_failed'],
    ['whose server fails', 2, 'dns_failed'],
    ['whose server is silent', null, 'dns_timeout'],
  ])('%s lead to no look', async (_, answer, verdict) => {
    const stub = await dns(() => answer);
    const prober = stage.prober({ dnsServers: [stub.server] });
    const started = performance.now();
    const result = await prober.probe(targetAt(443, viaDns));
    expect(result).toMatchObject({ looks: [], fault: { verdict, error: expect.any(String) } });
    expect(performance.now() - started).toBeLessThan(6000);
  });

  it('without a dot are not looked up', async () => {
    const stub = await dns(() => ['127.0.0.1']);
    const prober = stage.prober({ dnsServers: [stub.server] });
    const result = await prober.probe(targetAt(443, { ...viaDns, domain: 'intranet' }));
    expect(result.fault).toMatchObject({ verdict: 'dns_failed' });
    expect(stub.asked).toEqual([]);
  });

  it('with a wildcard are looked up below it', async () => {
    const stub = await dns(() => 3);
    await stage.prober({ dnsServers: [stub.server] }).probe(targetAt(443, { ...viaDns, domain: '*.example.test' }));
    expect(stub.asked.toSorted()).toEqual(['A notafter-probe.example.test', 'AAAA notafter-probe.example.test']);
  });

  it('are looked at on every address, IPv4 and IPv6', async () => {
    const options = { key: goodLeaf.key, cert: goodLeaf.chain };
    const port = await stage.serveTls(options);
    await stage.serveTls(options, '::1', port);
    const probeAddress = [`127.0.0.1:${port}`, `[::1]:${port}`, `[0:0::1]:${port}`];
    const { looks } = await stage.prober().probe(targetAt(port, { probeAddress }));
    expect(looks.map(({ address, verdict }) => [address, verdict])).toEqual([
      [`127.0.0.1:${port}`, 'ok'],
      [`[::1]:${port}`, 'ok'],
    ]);
  });
});

describe('one address', () => {
  it('is not asked more often than is polite', async () => {
    const port = await stage.serveTls({ key: goodLeaf.key, cert: goodLeaf.chain });
    const prober = stage.prober({ unpacedCidrs: [], perAddressPerSecond: 10 });
    const started = performance.now();
    const known = knownAt(port);
    const results = await Promise.all(Array.from({ length: 25 }, () => prober.probe(targetAt(port, { known }))));
    const took = performance.now() - started;
    expect(results.every(({ looks }) => looks[0]?.verdict === 'ok')).toBe(true);
    expect(took).toBeGreaterThan(450);
    expect(took).toBeLessThan(5000);
  });
});
