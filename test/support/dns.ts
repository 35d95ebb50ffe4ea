import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

export type RecordType = 'A' | 'AAAA';
/** Addresses, a response code (2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED), or null for no answer at all. */
export type DnsAnswer = readonly string[] | number | null;

/** A name server on loopback that answers what it is told to. */
export interface DnsStub {
  /** `address:port` */
  readonly server: string;
  /** What was asked, as `A name`, in order. */
  readonly asked: readonly string[];
  readonly close: () => Promise<void>;
}

const types: Readonly<Record<number, RecordType>> = { 1: 'A', 28: 'AAAA' };

const readName = (packet: Buffer): { name: string; end: number } => {
  const labels: string[] = [];
  let at = 12;
  for (let length = packet.readUInt8(at); length > 0; length = packet.readUInt8(at)) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
};

const addressBytes = (address: string): Buffer => {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
};

const resourceRecord = (type: number, address: string): Buffer => {
  const data = addressBytes(address);
  const record = Buffer.alloc(12 + data.length);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt16BE(data.length, 10);
  data.copy(record, 12);
  return record;
};

/** Starts a name server; `answer` is asked for every question. */
export const startDns = async (answer: (name: string, type: RecordType) => DnsAnswer): Promise<DnsStub> => {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  socket.on('message', (packet, from) => {
    const { name, end } = readName(packet);
    const typeNumber = packet.readUInt16BE(end);
    const type = types[typeNumber];
    if (type === undefined) return;
    asked.push(`${type} ${name}`);
    const given = answer(name, type);
    if (given === null) return;
    const addresses = typeof given === 'number' ? [] : given;
    const reply = Buffer.concat([
      packet.subarray(0, end + 4),
      ...addresses.map((address) => resourceRecord(typeNumber, address)),
    ]);
    reply.writeUInt16BE(0x8180 | (typeof given === 'number' ? given : 0), 2);
    reply.writeUInt16BE(addresses.length, 6);
    reply.writeUInt32BE(0, 8);
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port }: AddressInfo = socket.address();
  return {
    server: `127.0.0.1:${port}`,
    asked,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
};
