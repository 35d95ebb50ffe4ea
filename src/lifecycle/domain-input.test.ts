import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { domainLine, domainSettings, isProbeAddress, verificationName } from './domain-input.ts';

describe('isProbeAddress', () => {
  it.each(['192.0.2.1', '192.0.2.1:8443', '::', '::1', '2001:db8::1', '[2001:db8::1]', '[::1]:1', '192.0.2.1:65535'])(
    'takes %s',
    (text) => expect(isProbeAddress(text)).toBe(true),
  );
  it.each([
    '',
    'example.com',
    'localhost:443',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.1:080',
    '[192.0.2.1]:443',
    '[::1]443',
    '[::1',
    'fe80::1%eth0',
    '::1 ',
    '192.0.2.1:443:443',
  ])('refuses %j', (text) => expect(isProbeAddress(text)).toBe(false));
});

describe('domainSettings', () => {
  it('keeps apart what is absent and what is null', () => {
    expect(v.parse(domainSettings, { region: null })).toEqual({ region: null });
    expect(v.parse(domainSettings, {})).toEqual({});
  });

  it('makes one list of addresses from one, many and repeated ones', () => {
    expect(v.parse(domainSettings, { probeAddress: ' 192.0.2.1 ' })).toEqual({ probeAddress: ['192.0.2.1'] });
    expect(v.parse(domainSettings, { probeAddress: ['::1', '::1'] })).toEqual({ probeAddress: ['::1'] });
  });

  it.each([
    [{ region: 'a'.repeat(65) }],
    [{ region: 'eu west' }],
    [{ orgId: '' }],
    [{ orgId: 'x'.repeat(201) }],
    [{ orgId: '\ud800' }],
    [{ probeAddress: Array.from({ length: 17 }, () => '::1') }],
    [{ verified: 1 }],
    [null],
  ])('refuses %j', (input) => expect(v.safeParse(domainSettings, input).success).toBe(false));
});

describe('domainLine', () => {
  it('has its name in the one form', () => {
    expect(v.parse(domainLine, { domain: 'Bücher.Example.' }).domain).toBe('xn--bcher-kva.example');
  });
});

describe('verificationName', () => {
  it.each([
    ['a.example.com', '_fdt-verify.a.example.com'],
    ['*.example.com', '_fdt-verify.example.com'],
  ])('of %s is %s', (domain, name) => expect(verificationName(domain)).toBe(name));
});
