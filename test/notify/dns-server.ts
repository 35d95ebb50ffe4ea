import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface DnsServer {
  /** `address:port`. */
  readonly address: string;
  /** Names of the A queries that came, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

const nameIn = (query: Buffer): { name: string; end: number } => {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
};

const answerTo = (query: Buffer, end: number, addresses: readonly string[], known: boolean): Buffer => {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, ...records]);
};

/** A name server on loopback that knows the A records it is given; each may be another list at each question. */
export const startDns = async (
  zone: Readonly<Record<string, (question: number) => readonly string[]>>,
): Promise<DnsServer> => {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, end } = nameIn(query);
    const isA = query.readUInt16BE(end - 4) === 1;
    if (isA) asked.push(name);
    const records = zone[name];
    const count = asked.filter((one) => one === name).length;
    socket.send(
      answerTo(query, end, isA ? (records?.(count) ?? []) : [], records !== undefined),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
};
