import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCertificate } from './certificate.ts';

const pem = (name: string): string =>
  readFileSync(new URL(`../../test/e2e/support/pem/${name}`, import.meta.url), 'utf8');

describe('readCertificate', () => {
  it('reads the leaf of a chain, as openssl shows it', () => {
    const sha256 = 'CF2D649699E331BC667FE7DADAAA4FD18D62BED2D163954D0A814E04C86EEB7B';
    expect(readCertificate(pem('chain.pem'))).toEqual({
      sha256,
      certificateRef: `sha256:${sha256}`,
      names: ['www.example.com', '*.example.com', 'example.com'],
      notBefore: Date.parse('2026-11-21T21:31:27Z'),
      notAfter: Date.parse('2126-10-28T21:31:27Z'),
      serial: '60923CE9B69EC151DCFA30A5C9E02C30725D9E04',
      issuer: 'O=Example Trust, CN=Example Test CA',
    });
  });

  it('takes no name out of the text of another kind of name', () => {
    expect(readCertificate(pem('odd-names.pem')).names).toEqual(['honest.example']);
  });

  it.each([
    [
      'a private key beside it',
      `-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n${pem('chain.pem')}`,
      /private key/,
    ],
    ['an encrypted key after it', `${pem('chain.pem')}-----BEGIN ENCRYPTED PRIVATE KEY-----\n`, /private key/],
    ['the CA first', pem('ca-first.pem'), /Put the leaf first/],
    ['no host name', pem('no-name.pem'), /no DNS name/],
    ['no certificate', 'hello', /no certificate/],
    ['a damaged certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /cannot be read/],
  ])('refuses %s', (_, text, message) => {
    expect(() => readCertificate(text)).toThrow(message);
  });
});
