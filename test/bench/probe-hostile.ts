// `probe-hostile.ts KIND`: a server that is no good, on a loopback address of its own; prints its port.
import { type AddressInfo, createServer, type Socket } from 'node:net';

const kinds = ['tarpit', 'blackhole', 'endless'] as const;
export type HostileKind = (typeof kinds)[number];

/** 4,095 HelloRequests in one record, which a TLS client has to pass over. */
const helloRequests = Buffer.concat([Buffer.from([22, 3, 3, 0x3f, 0xfc]), Buffer.alloc(4 * 4095)]);

const flood = (socket: Socket): void => {
  while (socket.writable && socket.write(helloRequests));
};

const onConnection: Readonly<Record<HostileKind, (socket: Socket) => void>> = {
  tarpit: (socket) => void socket.resume(),
  blackhole: () => undefined,
  endless: (socket) => {
    socket.once('data', () => flood(socket)).on('drain', () => flood(socket));
  },
};

const isKind = (text: string): text is HostileKind => kinds.some((one) => one === text);

const [kind = ''] = process.argv.slice(2);
if (isKind(kind)) {
  const server = createServer((socket) => onConnection[kind](socket.on('error', () => socket.destroy())));
  server.listen({ port: 0, host: '127.0.0.9', backlog: kind === 'blackhole' ? 1 : 511 }, () => {
    // A TCP server has an address of this shape.
    process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`, () => {
      // Nothing is ever accepted: when the backlog is full, the system drops what knocks.
      if (kind === 'blackhole') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
  });
}
