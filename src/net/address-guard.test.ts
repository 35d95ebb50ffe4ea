import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../test/support/properties.ts';
import { addressGuard, cidrMatcher, parseCidrs } from './address-guard.ts';

const guard = addressGuard({ allowedCidrs: [] });

/** `10.1.2.3` as the two last groups of an IPv6 address. */
const groups = (v4: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
};

describe('addressGuard', () => {
  it.each([
    '1.1.1.1',
    '93.184.215.14',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '198.17.255.255',
    '223.255.255.255',
    '168.63.129.17',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
    '::ffff:1.1.1.1',
    `::ffff:${groups('1.1.1.1')}`,
    '64:ff9b::1.1.1.1',
  ])('lets the public address %s through', (address) => expect(guard(address)).toBeNull());

  it.each([
    // this host, this network
    '0.0.0.0',
    '0.1.2.3',
    '127.0.0.1',
    '127.255.255.254',
    '::',
    '::1',
    // private, shared, link
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '100.127.255.255',
    '169.254.0.1',
    '169.254.169.254',
    'fe80::1',
    'febf::1',
    'fc00::1',
    'fd12:3456:789a::1',
    'fec0::1',
    // clouds
    '168.63.129.16',
    '::ffff:168.63.129.16',
    '100.100.100.200',
    'fd00:ec2::254',
    // documentation, benchmarks, protocols, relays
    '192.0.0.8',
    '192.0.2.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '192.88.99.1',
    '192.31.196.1',
    '192.52.193.1',
    '192.175.48.1',
    '2001:db8::1',
    '2001:2::1',
    '2001:10::1',
    '2001:20::1',
    '3fff::1',
    '100::1',
    '5f00::1',
    // multicast, reserved, broadcast
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    'ff02::1',
    'ff0e::1',
    // outside 2000::/3
    '4000::1',
    '1fff::1',
    'e000::1',
    // an IPv4 address inside an IPv6 one
    '::ffff:127.0.0.1',
    `::ffff:${groups('127.0.0.1')}`,
    '0:0:0:0:0:ffff:0a00:0001',
    '::ffff:169.254.169.254',
    '::ffff:0:127.0.0.1',
    '::127.0.0.1',
    '::10.0.0.1',
    '::8.8.8.8',
    '64:ff9b::127.0.0.1',
    `64:ff9b::${groups('10.0.0.1')}`,
    '64:ff9b::169.254.169.254',
    '64:ff9b:1::1.1.1.1',
    `2002:${groups('127.0.0.1')}::1`,
    `2002:${groups('10.0.0.1')}::1`,
    `2002:${groups('1.1.1.1')}::1`,
    '2001:0:4136:e378:8000:63bf:3fff:fdd2',
    // not an address, or not plainly one
    '0177.0.0.1',
    '2130706433',
    '0x7f.1',
    '0x7f000001',
    '127.1',
    '127.0.1',
    '1.1.1.1.',
    ' 1.1.1.1',
    '1.1.1.1\n',
    '1.1.1.1\0',
    '01.1.1.1',
    '1.1.1.1/32',
    '1.1.1.256',
    '１.1.1.1',
    '[2606:4700::1111]',
    '2606:4700::1111%eth0',
    'fe80::1%lo',
    '::ffff:0177.0.0.1',
    'localhost',
    'example.com',
    '',
  ])('refuses %s', (address) => expect(guard(address)).toEqual(expect.any(String)));

  it('tells why', () => {
    expect(guard('127.0.0.1')).toBe('is a loopback address');
    expect(guard('::1')).toBe('is a loopback address');
    expect(guard('10.0.0.1')).toBe('is not a public address');
    expect(guard('2002:101:101::1')).toBe('is a 6to4 address');
    expect(guard('127.1')).toBe('is not an IP address');
    expect(guard('168.63.129.16')).toBe('is the metadata service of a cloud');
  });

  it('lets allowed ranges through, however the address is written, and nothing beside them', () => {
    const allows = addressGuard({ allowedCidrs: ['10.0.0.0/8', 'fd00::/16', '168.63.129.16'] });
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', 'fd00::1', '168.63.129.16', '1.1.1.1'])
      expect(allows(address)).toBeNull();
    for (const address of ['11.0.0.0/8', '192.168.0.1', 'fd01::1', '127.0.0.1', '::10.1.2.3'])
      expect(allows(address)).not.toBeNull();
  });

  it('lets loopback through only when asked', () => {
    const dev = addressGuard({ allowedCidrs: [], loopback: true });
    for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) expect(dev(address)).toBeNull();
    expect(dev('10.0.0.1')).not.toBeNull();
  });

  it('refuses what the operator refuses, even when it is public or allowed', () => {
    const strict = addressGuard({ allowedCidrs: ['10.0.0.0/8'], refusedCidrs: ['10.9.0.0/16', '1.1.1.0/24'] });
    for (const address of ['10.9.1.1', '::ffff:10.9.1.1', '1.1.1.1', '64:ff9b::1.1.1.1'])
      expect(strict(address)).toBe('is in a range that the operator refuses');
    expect(strict('10.8.1.1')).toBeNull();
  });

  it('does not take a range it cannot read', () => {
    expect(() => addressGuard({ allowedCidrs: ['10.0.0.0/33'] })).toThrow('CIDR');
    expect(() => addressGuard({ allowedCidrs: [], refusedCidrs: ['x'] })).toThrow('CIDR');
  });

  it('says the same of an IPv4 address and of its IPv4-mapped and NAT64 forms', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(guard(`::ffff:${groups(address)}`)).toBe(guard(address));
        expect(guard(`64:ff9b::${address}`)).toBe(guard(address));
      }),
      cases(),
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        const reason = guard(text);
        expect(reason === null || reason.length > 0).toBe(true);
      }),
      cases(),
    );
  });
});

describe('cidrMatcher', () => {
  it('finds addresses in its ranges', () => {
    const own = cidrMatcher(['10.0.0.0/8', '2001:db8::/32']);
    expect(['10.1.1.1', '::ffff:10.1.1.1', '2001:db8::5'].every(own)).toBe(true);
    expect(['11.1.1.1', '2001:db9::5', 'x', '10.1.1.1%1'].some(own)).toBe(false);
  });
});

describe('parseCidrs', () => {
  it('reads ranges and bare addresses of both kinds', () => {
    expect(parseCidrs(' 10.0.0.0/8,192.0.2.7 ,fd00::/8,::1, 0.0.0.0/0')).toEqual({
      cidrs: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1', '0.0.0.0/0'],
      bad: [],
    });
    expect(parseCidrs('  ')).toEqual({ cidrs: [], bad: [] });
  });

  it('tells the positions of bad entries', () => {
    const text = '10.0.0.0/8,10/8,010.0.0.0/8,10.0.0.0/33,10.0.0.0/-1,fd00::/129,fe80::%1/64,10.0.0.0/8/8,10.0.0.0/,,x';
    expect(parseCidrs(text)).toEqual({ cidrs: ['10.0.0.0/8'], bad: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11] });
  });
});
