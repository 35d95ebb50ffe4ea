import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';

/** A certificate with its key, as servers take them. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly der: Buffer;
  /** As events and observations write it. */
  readonly ref: string;
  readonly subject: Buffer;
  readonly keyId: Buffer;
}

export interface CertificateOptions {
  readonly commonName?: string;
  /** DNS names. */
  readonly names?: readonly string[];
  /** Null signs with its own key. */
  readonly issuer?: Identity | null;
  readonly isCa?: boolean;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly keyType?: 'ec' | 'rsa';
  /** A key to use again, in PEM. */
  readonly key?: string;
  readonly serial?: Buffer;
  readonly withKeyIds?: boolean;
}

const hour = 3_600_000;
const day = 24 * hour;

const tlv = (tag: number, ...contents: readonly (Buffer | number)[]): Buffer => {
  const body = Buffer.concat(contents.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.from(
    body.length.toString(16).padStart(body.length > 0xffff ? 6 : body.length > 0xff ? 4 : 2, '0'),
    'hex',
  );
  return Buffer.concat([Buffer.from([tag, 0x80 + length.length]), length, body]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, ...parts);
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'));
const integer = (bytes: Buffer): Buffer =>
  tlv(0x02, (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
const bits = (bytes: Buffer): Buffer => tlv(0x03, 0, bytes);
const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [tlv(0x01, 0xff)] : []), tlv(0x04, value));

const time = (ms: number): Buffer => {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return new Date(ms).getUTCFullYear() < 2050
    ? tlv(0x17, Buffer.from(digits.slice(2)))
    : tlv(0x18, Buffer.from(digits));
};

const nameOf = (commonName: string): Buffer =>
  sequence(tlv(0x31, sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))));

const signatureOids = { ec: '2a8648ce3d040302', rsa: '2a864886f70d01010b' };
const signatureAlgorithm = (key: KeyObject): Buffer =>
  key.asymmetricKeyType === 'rsa' ? sequence(oid(signatureOids.rsa), tlv(0x05)) : sequence(oid(signatureOids.ec));

const newKey = (type: 'ec' | 'rsa'): KeyObject =>
  type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    : generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

const publicDer = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });

const pemOf = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;

const extensionsOf = (options: CertificateOptions, keyId: Buffer, issuerKeyId: Buffer): Buffer => {
  const { names = [], isCa = false, withKeyIds = true } = options;
  const list = [
    extension('551d13', isCa ? sequence(tlv(0x01, 0xff)) : sequence(), true),
    ...(isCa
      ? [extension('551d0f', tlv(0x03, 1, 0x06), true)]
      : [extension('551d25', sequence(oid('2b06010505070301')))]),
    ...(withKeyIds
      ? [extension('551d0e', tlv(0x04, keyId)), extension('551d23', sequence(tlv(0x80, issuerKeyId)))]
      : []),
    ...(names.length > 0 ? [extension('551d11', sequence(...names.map((name) => tlv(0x82, Buffer.from(name)))))] : []),
  ];
  return tlv(0xa3, sequence(...list));
};

/** Makes a certificate; by default one of a day for `commonName` or its first name, signed by itself, with an EC key. */
export const makeCertificate = (options: CertificateOptions): Identity => {
  const { names = [], issuer = null, keyType = 'ec', notBefore = Date.now() - hour } = options;
  const {
    notAfter = notBefore + 90 * day,
    commonName = names[0] ?? 'nobody',
    serial = Buffer.concat([Buffer.from([0x5a]), randomBytes(15)]),
  } = options;
  const key = options.key === undefined ? newKey(keyType) : createPrivateKey(options.key);
  const signer = issuer === null ? key : createPrivateKey(issuer.key);
  const spki = publicDer(key);
  const keyId = createHash('sha1').update(spki).digest();
  const subject = nameOf(commonName);
  const algorithm = signatureAlgorithm(signer);
  const tbs = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    issuer?.subject ?? subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    spki,
    extensionsOf(options, keyId, issuer?.keyId ?? keyId),
  );
  const der = sequence(tbs, algorithm, bits(sign('sha256', tbs, signer)));
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { cert: pemOf(der), key: pem, der, ref: `sha256:${hash('sha256', der, 'hex').toUpperCase()}`, subject, keyId };
};

/** A root with an intermediate under it. */
export interface Pki {
  readonly root: Identity;
  readonly intermediate: Identity;
  /** A leaf under the intermediate, with the chain to present. */
  readonly leaf: (options: CertificateOptions) => Identity & { readonly chain: string };
}

/** Certificates of a small CA of its own. */
export const createPki = (name = 'Test'): Pki => {
  const root = makeCertificate({ commonName: `${name} Root`, isCa: true, notAfter: Date.now() + 3650 * day });
  const intermediate = makeCertificate({
    commonName: `${name} Intermediate`,
    issuer: root,
    isCa: true,
    notAfter: Date.now() + 1825 * day,
  });
  return {
    root,
    intermediate,
    leaf: (options) => {
      const leaf = makeCertificate({ issuer: intermediate, ...options });
      return { ...leaf, chain: leaf.cert + intermediate.cert };
    },
  };
};

export type OcspState = 'good' | 'revoked' | 'unknown';

/**
 * An OCSP response about one serial (RFC 6960, section 4.2.1), in form but not signed.
 *
 * @param outcome the OCSPResponseStatus; 0 is successful.
 */
export const ocspResponse = (serial: Buffer, state: OcspState, outcome = 0): Buffer => {
  const at = tlv(0x18, Buffer.from('20260101000000Z'));
  const sha1 = sequence(oid('2b0e03021a'), tlv(0x05));
  const certId = sequence(sha1, tlv(0x04, Buffer.alloc(20)), tlv(0x04, Buffer.alloc(20)), integer(serial));
  const status = { good: tlv(0x80), revoked: tlv(0xa1, at), unknown: tlv(0x82) }[state];
  const answers = sequence(sequence(certId, status, at));
  const data = sequence(tlv(0xa2, tlv(0x04, Buffer.alloc(20))), at, answers);
  const basic = sequence(data, sha1, bits(Buffer.from([1])));
  const wrapped = tlv(0xa0, sequence(oid('2b0601050507300101'), tlv(0x04, basic)));
  return sequence(tlv(0x0a, outcome), wrapped);
};
