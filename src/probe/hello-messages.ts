const maxCertificates = 20;

/** What a server's first flight turned out to be. */
export type HelloOutcome =
  /** The chain as presented, leaf first, at most twenty; `version` as on the wire (0x0303 is TLS 1.2). */
  | { readonly kind: 'certificates'; readonly chain: readonly [Buffer, ...Buffer[]]; readonly version: number }
  /** A fatal alert, or the end of the connection by one (RFC 5246, section 7.2). */
  | { readonly kind: 'alert'; readonly description: number }
  /** TLS 1.3, a HelloRetryRequest, or an exchange without a certificate: only a full handshake can tell. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'not_tls'; readonly http: boolean }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'oversized' };

export const malformed: HelloOutcome = { kind: 'malformed' };
export const oversized: HelloOutcome = { kind: 'oversized' };
const unreadable: HelloOutcome = { kind: 'unreadable' };

const helloRequest = 0;
const serverHello = 2;
const certificate = 11;
/** ServerKeyExchange, CertificateRequest, ServerHelloDone: the server goes on without a certificate. */
const later: ReadonlySet<number> = new Set([12, 13, 14]);

const supportedVersions = 43;
/** The random of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3). */
const retryRandom = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');

/** Whether an extension of that type is there; null when the block is cut short (RFC 5246, section 7.4.1.4). */
const hasExtension = (block: Buffer, type: number): boolean | null => {
  let found = false;
  let at = 0;
  while (at < block.length) {
    if (at + 4 > block.length) return null;
    found ||= block.readUInt16BE(at) === type;
    at += 4 + block.readUInt16BE(at + 2);
  }
  return at === block.length ? found : null;
};

/** The version a ServerHello settles on (RFC 5246, section 7.4.1.3), or what it means instead. */
const readServerHello = (body: Buffer): number | HelloOutcome => {
  if (body.length < 38) return malformed;
  const version = body.readUInt16BE(0);
  if (version >> 8 !== 3) return malformed;
  if (version > 0x0303 || body.subarray(2, 34).equals(retryRandom)) return unreadable;
  // After the session id: cipher suite, compression, and perhaps extensions.
  const extensionsAt = 35 + body.readUInt8(34) + 3;
  if (extensionsAt === body.length) return version;
  if (extensionsAt + 2 > body.length || extensionsAt + 2 + body.readUInt16BE(extensionsAt) !== body.length)
    return malformed;
  const isNewer = hasExtension(body.subarray(extensionsAt + 2), supportedVersions);
  if (isNewer === null) return malformed;
  return isNewer ? unreadable : version;
};

/** A Certificate message (RFC 5246, section 7.4.2); every length is checked, also of what is not kept. */
const readCertificates = (body: Buffer, version: number): HelloOutcome => {
  if (body.length < 3 || body.readUIntBE(0, 3) !== body.length - 3) return malformed;
  const chain: Buffer[] = [];
  let at = 3;
  while (at < body.length) {
    if (at + 3 > body.length) return malformed;
    const end = at + 3 + body.readUIntBE(at, 3);
    if (end === at + 3 || end > body.length) return malformed;
    if (chain.length < maxCertificates) chain.push(body.subarray(at + 3, end));
    at = end;
  }
  const [leaf, ...rest] = chain;
  return leaf === undefined ? malformed : { kind: 'certificates', chain: [leaf, ...rest], version };
};

/** Puts handshake messages (RFC 5246, section 7.4) together from pieces of any size, up to the Certificate. */
export class HelloMessages {
  readonly #maxBytes: number;
  readonly #header = Buffer.alloc(4);
  #headerLength = 0;
  #need = 0;
  #have = 0;
  #body: Buffer = Buffer.alloc(0);
  #version: number | null = null;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes `chunk[from, to)`; the outcome as soon as there is one. Nothing of the chunk is kept. */
  take(chunk: Buffer, from: number, to: number): HelloOutcome | null {
    let at = from;
    while (at < to) {
      if (this.#headerLength < 4) {
        this.#header[this.#headerLength++] = chunk.readUInt8(at++);
        if (this.#headerLength < 4) continue;
        const refused = this.#open();
        if (refused !== null) return refused;
      } else {
        at += this.#fill(chunk, at, to);
      }
      if (this.#have < this.#need) continue;
      const outcome = this.#finish();
      if (outcome !== null) return outcome;
      this.#headerLength = 0;
    }
    return null;
  }

  #open(): HelloOutcome | null {
    this.#need = this.#header.readUIntBE(1, 3);
    this.#have = 0;
    const type = this.#header.readUInt8(0);
    if (type === helloRequest) return this.#need === 0 ? null : malformed;
    if (type !== (this.#version === null ? serverHello : certificate))
      return this.#version !== null && later.has(type) ? unreadable : malformed;
    if (this.#need > this.#maxBytes) return oversized;
    // A declared length is a claim: memory follows what really arrives.
    this.#body = Buffer.allocUnsafe(Math.min(this.#need, 8192));
    return null;
  }

  #fill(chunk: Buffer, at: number, to: number): number {
    const count = Math.min(to - at, this.#need - this.#have);
    if (this.#have + count > this.#body.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#need, Math.max(this.#have + count, this.#body.length * 2)));
      this.#body.copy(larger, 0, 0, this.#have);
      this.#body = larger;
    }
    chunk.copy(this.#body, this.#have, at, at + count);
    this.#have += count;
    return count;
  }

  #finish(): HelloOutcome | null {
    if (this.#header.readUInt8(0) === helloRequest) return null;
    const body = this.#body.subarray(0, this.#need);
    if (this.#version !== null) return readCertificates(body, this.#version);
    const hello = readServerHello(body);
    if (typeof hello !== 'number') return hello;
    this.#version = hello;
    return null;
  }
}
