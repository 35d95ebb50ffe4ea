import { HelloMessages, malformed, oversized, type HelloOutcome } from './hello-messages.ts';

/** Bytes read from a server before it is given up on. */
export const maxHelloBytes = 256 * 1024;

const headerBytes = 5;
/** Largest fragment in the clear (RFC 5246, section 6.2.1). */
const maxFragment = 2 ** 14;
const alertType = 21;
const handshakeType = 22;
const warning = 1;
const fatal = 2;
const closeNotify = 0;

/**
 * Reads the answer to a TLS 1.2 ClientHello up to the server's Certificate message and no further: records (RFC 5246, section 6.2),
 * alerts (7.2) and handshake messages (7.4). It does no IO, keeps nothing of the chunks it is given, and comes to the same outcome
 * however the bytes are cut. It reads at most `maxBytes`, whatever the server sends.
 */
export class HelloReader {
  readonly #messages: HelloMessages;
  readonly #header = Buffer.alloc(headerBytes);
  #headerLength = 0;
  #type = 0;
  #recordLeft = 0;
  #bytesLeft: number;
  #isFirst = true;
  #alertLevel: number | null = null;

  constructor(maxBytes: number = maxHelloBytes) {
    this.#bytesLeft = maxBytes;
    this.#messages = new HelloMessages(maxBytes);
  }

  /** The outcome, once these bytes settle it; null while more are needed. Not to be called again after an outcome. */
  read(chunk: Buffer): HelloOutcome | null {
    const end = Math.min(chunk.length, this.#bytesLeft);
    let at = 0;
    while (at < end) {
      if (this.#recordLeft === 0) {
        this.#header[this.#headerLength++] = chunk.readUInt8(at++);
        const refused = this.#headerLength === headerBytes ? this.#open() : null;
        if (refused !== null) return refused;
      } else {
        const stop = Math.min(end, at + this.#recordLeft);
        const outcome = this.#type === alertType ? this.#alert(chunk, at, stop) : this.#messages.take(chunk, at, stop);
        if (outcome !== null) return outcome;
        this.#recordLeft -= stop - at;
        at = stop;
      }
    }
    this.#bytesLeft -= end;
    return this.#bytesLeft === 0 ? oversized : null;
  }

  /** What an end of the connection here means: null says no more than that it ended. */
  end(): HelloOutcome | null {
    const isPlain = this.#isFirst && this.#headerLength > 0 && !isTlsType(this.#header.readUInt8(0));
    return isPlain ? { kind: 'not_tls', http: false } : null;
  }

  #open(): HelloOutcome | null {
    const header = this.#header;
    this.#headerLength = 0;
    this.#type = header.readUInt8(0);
    if (!isTlsType(this.#type) || header.readUInt8(1) !== 3)
      return this.#isFirst ? { kind: 'not_tls', http: header.toString('latin1') === 'HTTP/' } : malformed;
    this.#isFirst = false;
    this.#recordLeft = header.readUInt16BE(3);
    const isExpected = this.#type === handshakeType || this.#type === alertType;
    return isExpected && this.#recordLeft > 0 && this.#recordLeft <= maxFragment ? null : malformed;
  }

  /** Warnings are passed over: some servers answer an unknown name with one and go on (RFC 6066, section 3). */
  #alert(chunk: Buffer, from: number, to: number): HelloOutcome | null {
    for (let at = from; at < to; at++) {
      const byte = chunk.readUInt8(at);
      if (this.#alertLevel === null) {
        if (byte !== warning && byte !== fatal) return malformed;
        this.#alertLevel = byte;
        continue;
      }
      if (this.#alertLevel === fatal || byte === closeNotify) return { kind: 'alert', description: byte };
      this.#alertLevel = null;
    }
    return null;
  }
}

/** ChangeCipherSpec, Alert, Handshake, ApplicationData. */
const isTlsType = (type: number): boolean => type >= 20 && type <= 23;
