import { randomFillSync } from 'node:crypto';

const u16 = (...values: readonly number[]): number[] => values.flatMap((value) => [value >> 8, value & 0xff]);
const vector = (bytes: readonly number[]): number[] => [...u16(bytes.length), ...bytes];
const extension = (type: number, body: readonly number[]): number[] => [...u16(type), ...vector(body)];

const ecdheAead = [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x009f, 0x009e, 0xccaa]; // RFC 5289, RFC 7905
const cbc = [0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013, 0x0039, 0x0033];
const rsaTransport = [0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f];
/** ECDSA before RSA and forward secrecy first, the order in which the full handshake asks: both see the same certificate. */
const suites = u16(...ecdheAead, ...cbc, ...rsaTransport);

const ecdsaAndEddsa = [0x0403, 0x0503, 0x0603, 0x0807, 0x0808];
const rsaPss = [0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b];
const rsaAndSha1 = [0x0401, 0x0501, 0x0601, 0x0203, 0x0201];
const signatureAlgorithms = u16(...ecdsaAndEddsa, ...rsaPss, ...rsaAndSha1);

const fixedExtensions = [
  ...extension(0xff01, [0]), // renegotiation_info, empty (RFC 5746)
  ...extension(0x000a, vector(u16(0x001d, 0x0017, 0x001e, 0x0018, 0x0019))), // supported_groups (RFC 8422)
  ...extension(0x000b, [1, 0]), // ec_point_formats: uncompressed
  ...extension(0x000d, vector(signatureAlgorithms)), // signature_algorithms (RFC 5246, 7.4.1.4.1)
  ...extension(0x0017, []), // extended_master_secret (RFC 7627)
];

const recordHeader = 5;
const messageHeader = 4;
const randomAt = recordHeader + messageHeader + 2;
const head = [0x16, ...u16(0x0301, 0), 0x01, 0, 0, 0, ...u16(0x0303)];
const tail = [0, ...vector(suites), 1, 0];
const extensionsAt = randomAt + 32 + tail.length;
const template = Buffer.from([...head, ...Array.from({ length: 32 }, () => 0), ...tail, ...u16(0), ...fixedExtensions]);
const sniHeader = 9;

const pool = Buffer.alloc(8192);
let poolAt = pool.length;

/** Random bytes, taken from the system for many hellos at a time: no secret comes of them, the handshake is never finished. */
const fillRandom = (hello: Buffer, at: number): void => {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  pool.copy(hello, at, poolAt, poolAt + 32);
  poolAt += 32;
};

/**
 * A TLS 1.2 ClientHello (RFC 5246, section 7.4.1.2) in one record. It offers no TLS 1.3, since its certificates travel encrypted,
 * no ALPN, no session and no compression.
 *
 * @param name ASCII host name for server_name (RFC 6066, section 3), at most 253 characters.
 */
export const clientHello = (name: string): Buffer => {
  const at = template.length;
  const hello = Buffer.allocUnsafe(at + sniHeader + name.length);
  template.copy(hello);
  fillRandom(hello, randomAt);
  hello.writeUInt16BE(0, at);
  hello.writeUInt16BE(name.length + 5, at + 2);
  hello.writeUInt16BE(name.length + 3, at + 4);
  hello.writeUInt8(0, at + 6);
  hello.writeUInt16BE(name.length, at + 7);
  hello.write(name, at + sniHeader, 'latin1');
  hello.writeUInt16BE(hello.length - recordHeader, 3);
  hello.writeUIntBE(hello.length - recordHeader - messageHeader, 6, 3);
  hello.writeUInt16BE(hello.length - extensionsAt - 2, extensionsAt);
  return hello;
};
