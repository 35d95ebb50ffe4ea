import { hash, type X509Certificate } from 'node:crypto';
import type { ServedCertificate } from '../lifecycle/served.ts';
import { childrenOf, childWith, contentsOf, readTlv, tags, type Tlv } from './der.ts';
import { stapledState } from './ocsp.ts';

const maxNames = 100;
const maxText = 300;
const maxChain = 20;
/** Octets of a serial or a key identifier that go into an ARI identity; RFC 5280 allows twenty. */
const maxIdentifier = 64;
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59);
const extensionsTag = 0xa3;
const dnsNameTag = 0x82;
const keyIdTag = 0x80;
const subjectAltName = '551d11';
const authorityKeyIdentifier = '551d23';

/** `sha256:` and the upper-case hex digest of a certificate's DER. */
export const referenceOf = (der: Buffer): string => `sha256:${hash('sha256', der, 'hex').toUpperCase()}`;

interface LeafFields {
  /** Contents of the serial's DER integer. */
  readonly serial: Buffer | null;
  readonly names: readonly string[];
  readonly keyId: Buffer | null;
}

/** The inner DER of an extension of a TBSCertificate (RFC 5280, section 4.1), as a value of its own. */
const extensionValue = (der: Buffer, tbs: Tlv, oid: string): Buffer | null => {
  const wrapped = childWith(der, tbs, extensionsTag);
  const list = wrapped && childWith(der, wrapped, tags.sequence);
  if (list === null) return null;
  for (const entry of childrenOf(der, list)) {
    const id = childWith(der, entry, tags.oid);
    if (id === null || contentsOf(der, id).toString('hex') !== oid) continue;
    const octets = childWith(der, entry, tags.octets);
    return octets && contentsOf(der, octets);
  }
  return null;
};

const dnsNames = (value: Buffer | null): string[] => {
  const list = value && readTlv(value, 0);
  if (value === null || list === null) return [];
  const names: string[] = [];
  for (const name of childrenOf(value, list)) {
    if (name.tag !== dnsNameTag) continue;
    names.push(clean(contentsOf(value, name).toString('latin1')));
    if (names.length === maxNames) break;
  }
  return names;
};

const keyIdentifier = (value: Buffer | null): Buffer | null => {
  const fields = value && readTlv(value, 0);
  const id = value && fields && childWith(value, fields, keyIdTag);
  return value && id && contentsOf(value, id);
};

const leafFields = (der: Buffer): LeafFields => {
  const outer = readTlv(der, 0);
  const tbs = outer && childWith(der, outer, tags.sequence);
  if (tbs === null) return { serial: null, names: [], keyId: null };
  const serial = childWith(der, tbs, tags.integer);
  return {
    serial: serial && contentsOf(der, serial),
    names: dnsNames(extensionValue(der, tbs, subjectAltName)),
    keyId: keyIdentifier(extensionValue(der, tbs, authorityKeyIdentifier)),
  };
};

/** Text from a certificate as one bounded line: control characters and those that turn the direction of writing are left out. */
export const clean = (text: string): string =>
  text
    .replaceAll('\n', ', ')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
    .slice(0, maxText)
    // PostgreSQL refuses JSON with half of a surrogate pair.
    .replace(/[\uD800-\uDBFF]$/, '');

/** The certificates presented, leaf first, at most twenty. */
export const presentedChain = (leaf: X509Certificate): readonly X509Certificate[] => {
  const chain: X509Certificate[] = [];
  for (let next: X509Certificate | undefined = leaf; next !== undefined && chain.length < maxChain;) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
};

/** Epoch ms within the years 1970 to 9999, as events have times; one that cannot be read is long past. */
const timeOf = (date: Date): number => {
  const ms = date.getTime();
  return Number.isNaN(ms) ? 0 : Math.max(0, Math.min(ms, lastTime));
};

export const endOf = (certificate: X509Certificate): number => timeOf(certificate.validToDate);

/** Identity of a certificate for ARI (RFC 9773, section 4.1): key identifier of the authority and serial, leading zero kept. */
const ariIdOf = ({ keyId, serial }: LeafFields): string | null => {
  if (keyId === null || serial === null || keyId.length > maxIdentifier || serial.length > maxIdentifier) return null;
  return `${keyId.toString('base64url')}.${serial.toString('base64url')}`;
};

/** What is told of a leaf and the chain it came with. */
export const describeServed = (
  chain: readonly X509Certificate[],
  leaf: X509Certificate,
  tlsVersion: string | null,
  staple: Buffer | null,
): ServedCertificate => {
  const fields = leafFields(leaf.raw);
  return {
    ref: referenceOf(leaf.raw),
    serial: leaf.serialNumber.slice(0, maxText),
    subject: clean(leaf.subject ?? ''),
    issuer: clean(leaf.issuer ?? ''),
    names: fields.names,
    notBefore: timeOf(leaf.validFromDate),
    notAfter: endOf(leaf),
    chainNotAfter: Math.min(...chain.map(endOf)),
    chainLength: chain.length,
    ariId: ariIdOf(fields),
    tlsVersion,
    ocsp: staple === null || fields.serial === null ? null : stapledState(staple, fields.serial),
  };
};
