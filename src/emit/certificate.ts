import { X509Certificate } from 'node:crypto';
import { normalizeDomain } from '../lifecycle/domain-name.ts';

/** Something the caller gave cannot be used; the message says what to give instead and never repeats the value. */
export class EmitInputError extends Error {
  override readonly name = 'EmitInputError';
}

/** What a leaf certificate says about itself. Times are epoch milliseconds, `sha256` is 64 upper-case hex digits of the DER. */
export interface CertificateFacts {
  readonly sha256: string;
  readonly certificateRef: string;
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly serial: string;
  readonly issuer: string;
}

const privateKeyBlock = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;
const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
// One entry of OpenSSL's subjectAltName text; a value that holds a comma or a quote stands in JSON quotes.
const altName = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/**
 * Reads the leaf of a PEM chain (leaf first, as every ACME client writes it).
 *
 * @throws EmitInputError when there is no certificate, the first is a CA certificate of a longer chain, the leaf names no
 * host, or the text holds a private key (which is then not touched).
 */
export const readCertificate = (pem: string): CertificateFacts => {
  if (privateKeyBlock.test(pem)) {
    throw new EmitInputError(
      'The PEM holds a private key. Give the certificate alone (cert.pem, fullchain.pem or .crt).',
    );
  }
  const blocks = pem.match(certificateBlock) ?? [];
  const [leafPem] = blocks;
  if (leafPem === undefined) throw new EmitInputError('The PEM holds no certificate.');
  const leaf = parseBlock(leafPem);
  if (leaf.ca && blocks.length > 1) {
    throw new EmitInputError('The first certificate of the PEM is a CA certificate. Put the leaf first.');
  }
  const names = dnsNames(leaf.subjectAltName ?? '');
  if (names.length === 0) throw new EmitInputError('The certificate holds no DNS name.');
  const sha256 = leaf.fingerprint256.replaceAll(':', '');
  return {
    sha256,
    certificateRef: `sha256:${sha256}`,
    names,
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    serial: leaf.serialNumber,
    issuer: leaf.issuer.replaceAll('\n', ', '),
  };
};

const parseBlock = (block: string): X509Certificate => {
  try {
    return new X509Certificate(block);
  } catch (cause) {
    throw new EmitInputError('The first certificate of the PEM cannot be read.', { cause });
  }
};

const dnsNames = (subjectAltName: string): string[] => {
  const names = new Set<string>();
  for (const [, type, value = ''] of subjectAltName.matchAll(new RegExp(altName, 'gy'))) {
    const name = type === 'DNS' ? normalizeDomain(value) : null;
    if (name !== null) names.add(name);
  }
  return [...names];
};
