import { describe, expect, it } from 'vitest';
import { endpointText, parseEndpoint, servedName } from './target.ts';

describe('servedName', () => {
  it('is the name, or a label below a wildcard', () => {
    expect(servedName('a.test')).toBe('a.test');
    expect(servedName('*.a.test')).toBe('notafter-probe.a.test');
  });
});

describe('parseEndpoint', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:443'],
    ['192.0.2.1:8443', '192.0.2.1:8443'],
    ['2001:DB8:0:0::1', '[2001:db8::1]:443'],
    ['[2001:db8::1]', '[2001:db8::1]:443'],
    ['[2001:db8::1]:25', '[2001:db8::1]:25'],
  ])('reads %s', (text, endpoint) => {
    const parsed = parseEndpoint(text, 443);
    expect(parsed && endpointText(parsed)).toBe(endpoint);
  });

  it.each([
    'a.test',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '192.0.2.1:x',
    '127.1',
    '[fe80::1%1]:443',
    'fe80::1%1',
    '',
    '1.1.1.1:1:1',
  ])('does not read %s', (text) => expect(parseEndpoint(text, 443)).toBeNull());
});
