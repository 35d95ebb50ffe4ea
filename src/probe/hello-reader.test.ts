import { connect } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createPki } from '../../test/support/certificates.ts';
import { cases } from '../../test/support/properties.ts';
import { clientHello } from './client-hello.ts';
import type { HelloOutcome } from './hello-messages.ts';
import { HelloReader } from './hello-reader.ts';

const leaf = createPki().leaf({ names: ['a.test'] });

const record = (type: number, body: Buffer, version = 0x0303): Buffer => {
  const header = Buffer.from([type, 0, 0, 0, 0]);
  header.writeUInt16BE(version, 1);
  header.writeUInt16BE(body.length, 3);
  return Buffer.concat([header, body]);
};
const message = (type: number, body: Buffer): Buffer => {
  const header = Buffer.from([type, 0, 0, 0]);
  header.writeUIntBE(body.length, 1, 3);
  return Buffer.concat([header, body]);
};
const handshake = (...messages: readonly Buffer[]): Buffer => record(22, Buffer.concat(messages));
const vector24 = (body: Buffer): Buffer => message(0, body).subarray(1);

const extensionsOf = (...extensions: readonly (readonly [number, Buffer])[]): Buffer => {
  const all = extensions.map(([type, body]) => {
    const header = Buffer.alloc(4);
    header.writeUInt16BE(type, 0);
    header.writeUInt16BE(body.length, 2);
    return Buffer.concat([header, body]);
  });
  const block = Buffer.concat([Buffer.alloc(2), ...all]);
  block.writeUInt16BE(block.length - 2, 0);
  return block;
};
const helloBody = (version = 0x0303, extensions: Buffer = Buffer.alloc(0), random = Buffer.alloc(32, 7)): Buffer =>
  Buffer.concat([Buffer.from([version >> 8, version & 0xff]), random, Buffer.from([0, 0xc0, 0x2b, 0]), extensions]);
const serverHello = message(2, helloBody());
const certificates = (...ders: readonly Buffer[]): Buffer => message(11, vector24(Buffer.concat(ders.map(vector24))));
const one = Buffer.from('30820001', 'hex');
const certificateMessage = certificates(one, leaf.der);
const helloRequest = message(0, Buffer.alloc(0));

const readAll = (bytes: Buffer, cuts: readonly number[] = [], maxBytes?: number): HelloOutcome | null => {
  const reader = new HelloReader(maxBytes);
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let index = 1; index < at.length; index += 1) {
    const outcome = reader.read(bytes.subarray(at[index - 1], at[index]));
    if (outcome !== null) return outcome;
  }
  return reader.end();
};

const kindOf = (bytes: Buffer): string | null => readAll(bytes)?.kind ?? null;

/** What a real server answers our hello with. */
const firstFlight = async (options: TlsOptions): Promise<Buffer> => {
  const server = createServer(options);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const socket = connect({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 });
  socket.write(clientHello('a.test'));
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (readAll(Buffer.concat(chunks)) !== null) resolve();
    });
    socket.once('close', () => resolve()).on('error', () => resolve());
  });
  socket.destroy();
  server.close();
  return Buffer.concat(chunks);
};

describe('HelloReader', () => {
  it.each<[string, Buffer, HelloOutcome['kind'] | null]>([
    ['nothing', Buffer.alloc(0), null],
    ['a hello and certificates', handshake(serverHello, certificateMessage), 'certificates'],
    [
      'each in a record of its own',
      Buffer.concat([handshake(serverHello), handshake(certificateMessage)]),
      'certificates',
    ],
    [
      'HelloRequests between them',
      handshake(helloRequest, serverHello, helloRequest, certificateMessage),
      'certificates',
    ],
    [
      'a warning first',
      Buffer.concat([record(21, Buffer.from([1, 112])), handshake(serverHello, certificateMessage)]),
      'certificates',
    ],
    ['a hello alone', handshake(serverHello), null],
    ['half a certificate message', handshake(serverHello, certificateMessage).subarray(0, -1), null],
    ['a fatal alert', record(21, Buffer.from([2, 40])), 'alert'],
    ['a close_notify', record(21, Buffer.from([1, 0])), 'alert'],
    ['an alert of no level', record(21, Buffer.from([3, 40])), 'malformed'],
    ['half an alert', record(21, Buffer.from([2])), null],
    ['an alert in two records', Buffer.concat([record(21, Buffer.from([2])), record(21, Buffer.from([40]))]), 'alert'],
    ['an empty record', record(22, Buffer.alloc(0)), 'malformed'],
    ['an empty alert', record(21, Buffer.alloc(0)), 'malformed'],
    ['too long a record', record(22, Buffer.alloc(16385)), 'malformed'],
    ['application data', record(23, Buffer.alloc(5)), 'malformed'],
    ['a change of cipher', record(20, Buffer.from([1])), 'malformed'],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n'), 'not_tls'],
    ['SMTP', Buffer.from('220 mail\r\n'), 'not_tls'],
    ['SSL 2', Buffer.from('80360100020003', 'hex'), 'not_tls'],
    ['three letters', Buffer.from('abc'), 'not_tls'],
    ['three bytes of TLS', Buffer.from([22, 3, 3]), null],
    ['text after a hello', Buffer.concat([handshake(serverHello), Buffer.from('hello world')]), 'malformed'],
    ['certificates before the hello', handshake(certificateMessage, serverHello), 'malformed'],
    ['two hellos', handshake(serverHello, serverHello), 'malformed'],
    ['a HelloRequest with a body', handshake(message(0, Buffer.alloc(1))), 'malformed'],
    ['a key exchange instead', handshake(serverHello, message(12, Buffer.alloc(9))), 'unreadable'],
    ['the end of the hello instead', handshake(serverHello, message(14, Buffer.alloc(0))), 'unreadable'],
    ['an unknown message', handshake(serverHello, message(99, Buffer.alloc(9))), 'malformed'],
    ['no certificate in the list', handshake(serverHello, certificates()), 'malformed'],
    ['an empty certificate', handshake(serverHello, certificates(Buffer.alloc(0))), 'malformed'],
    ['a list longer than its message', handshake(serverHello, message(11, Buffer.from([0, 0, 9, 0]))), 'malformed'],
    [
      'a certificate longer than its list',
      handshake(serverHello, message(11, vector24(Buffer.from([0, 0, 9, 1])))),
      'malformed',
    ],
    ['a declared size over the cap', handshake(serverHello, Buffer.from([11, 0xff, 0xff, 0xff])), 'oversized'],
    ['TLS 1.1', handshake(message(2, helloBody(0x0302)), certificateMessage), 'certificates'],
    ['TLS 1.3', handshake(message(2, helloBody(0x0303, extensionsOf([43, Buffer.from([3, 4])])))), 'unreadable'],
    ['a version to come', handshake(message(2, helloBody(0x0304))), 'unreadable'],
    ['a version that is none', handshake(message(2, helloBody(0x0403))), 'malformed'],
    [
      'other extensions',
      handshake(
        message(2, helloBody(0x0303, extensionsOf([11, Buffer.from([1, 0])], [23, Buffer.alloc(0)]))),
        certificateMessage,
      ),
      'certificates',
    ],
    ['broken extensions', handshake(message(2, helloBody(0x0303, Buffer.from([0, 3, 0, 1, 0])))), 'malformed'],
    ['extensions cut short', handshake(message(2, helloBody(0x0303, Buffer.from([0, 9])))), 'malformed'],
    ['a short hello', handshake(message(2, Buffer.from([3, 3]))), 'malformed'],
  ])('reads %s', (_, bytes, kind) => expect(kindOf(bytes)).toBe(kind));

  it('sees a HelloRetryRequest', () => {
    const random = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');
    expect(kindOf(handshake(message(2, helloBody(0x0303, Buffer.alloc(0), random))))).toBe('unreadable');
  });

  it('gives the chain in order, at most twenty, and the version', () => {
    const outcome = readAll(handshake(serverHello, certificates(leaf.der, one)));
    expect(outcome).toEqual({ kind: 'certificates', chain: [leaf.der, one], version: 0x0303 });
    const many = readAll(handshake(serverHello, certificates(...Array.from({ length: 50 }, () => one))));
    expect(many?.kind === 'certificates' && many.chain.length).toBe(20);
  });

  it('reads no more than its cap', () => {
    const flood = Buffer.concat(Array.from({ length: 20 }, () => record(22, Buffer.alloc(4 * 4000))));
    expect(readAll(flood, [], 100_000)).toEqual({ kind: 'oversized' });
    expect(readAll(flood.subarray(0, 99_999), [], 100_000)).toBeNull();
    const late = Buffer.concat([flood.subarray(0, 16_005), handshake(serverHello, certificateMessage)]);
    expect(readAll(late, [], 16_100)?.kind).toBe('oversized');
    expect(readAll(late, [], 100_000)?.kind).toBe('certificates');
  });
});

describe('what real servers send', () => {
  const flights = new Map<string, Buffer>();
  beforeAll(async () => {
    const good: TlsOptions = { key: leaf.key, cert: leaf.chain };
    flights.set('TLS 1.2', await firstFlight({ ...good, maxVersion: 'TLSv1.2' }));
    flights.set('TLS 1.3', await firstFlight(good));
    flights.set('TLS 1.3 only', await firstFlight({ ...good, minVersion: 'TLSv1.3' }));
    flights.set(
      'old',
      await firstFlight({ ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
    );
  });

  it('is understood', () => {
    expect(readAll(flights.get('TLS 1.2') ?? one)).toMatchObject({ kind: 'certificates', version: 0x0303 });
    expect(readAll(flights.get('TLS 1.3') ?? one)).toMatchObject({ kind: 'certificates', version: 0x0303 });
    expect(readAll(flights.get('TLS 1.3 only') ?? one)).toEqual({ kind: 'alert', description: 70 });
    expect(readAll(flights.get('old') ?? one)).toMatchObject({ kind: 'certificates', version: 0x0302 });
    const read = readAll(flights.get('TLS 1.2') ?? one);
    expect(read?.kind === 'certificates' && read.chain[0].equals(leaf.der)).toBe(true);
  });

  /** Hostile bytes: pieces of good ones, cut, repeated, out of order, with bytes changed. */
  const hostile = (): fc.Arbitrary<Buffer> => {
    const pieces = [
      ...flights.values(),
      handshake(serverHello),
      handshake(certificateMessage),
      handshake(helloRequest),
      record(21, Buffer.from([1, 112])),
      record(21, Buffer.from([2, 40])),
      Buffer.from('HTTP/1.1 200 OK\r\n\r\n'),
    ];
    const piece = fc.oneof(
      fc.constantFrom(...pieces),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.constantFrom(20, 21, 22, 23), fc.uint8Array({ maxLength: 60 }))
        .map(([type, body]) => record(type, Buffer.from(body))),
      fc
        .tuple(fc.constantFrom(0, 2, 11, 14), fc.uint8Array({ maxLength: 60 }))
        .map(([type, body]) => handshake(message(type, Buffer.from(body)))),
    );
    const changes = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { maxLength: 4 });
    return fc
      .tuple(fc.array(piece, { minLength: 1, maxLength: 5 }), changes, fc.nat(6000))
      .map(([parts, changed, keep]) => {
        const bytes = Buffer.concat(parts);
        for (const [at, value] of changed) if (at < bytes.length) bytes.writeUInt8(value, at);
        return bytes.subarray(0, Math.max(1, keep));
      });
  };

  it('is read the same however it is cut, without an error, and never past its cap', () => {
    fc.assert(
      fc.property(
        hostile(),
        fc.array(fc.nat(6000), { maxLength: 12 }),
        fc.constantFrom(undefined, 1, 5, 100, 700),
        (bytes, cuts, cap) => {
          const whole = readAll(bytes, [], cap);
          expect(readAll(bytes, cuts, cap)).toEqual(whole);
          const everyByte = Array.from({ length: Math.min(bytes.length, 300) }, (_, index) => index);
          expect(readAll(bytes, everyByte, cap)).toEqual(whole);
          expect(readAll(bytes.subarray(0, cap), [], cap)).toEqual(whole);
        },
      ),
      cases(),
    );
  });

  it('gives a chain only when all of it was sent', () => {
    const flight = flights.get('TLS 1.2') ?? one;
    fc.assert(
      fc.property(fc.nat(flight.length), (length) => {
        const outcome = readAll(flight.subarray(0, length));
        if (outcome === null) return;
        expect(outcome).toEqual(readAll(flight));
      }),
      cases(300),
    );
  });
});

describe('clientHello', () => {
  it('is one record whose lengths add up, with the name in it and another random each time', () => {
    fc.assert(
      fc.property(fc.domain(), (name) => {
        const hello = clientHello(name);
        expect(hello.readUInt16BE(3)).toBe(hello.length - 5);
        expect(hello.readUIntBE(6, 3)).toBe(hello.length - 9);
        expect(hello.subarray(-name.length).toString()).toBe(name);
        expect(clientHello(name).equals(hello)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
