import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endingWhenSilent } from './silence.ts';

const silentMs = 150;
const message = (kind: string, text: string): Buffer => {
  const bytes = Buffer.alloc(5 + text.length, text);
  bytes.write(kind, 'latin1');
  bytes.writeUInt32BE(4 + text.length, 1);
  bytes.write(text, 5);
  return bytes;
};
const rows = Buffer.concat([message('D', 'Z of a row'), message('D', ''), message('C', 'SELECT 2')]);
const ready = message('Z', 'I');

let server: Server;
let peer: Socket;
let client: Socket;
beforeEach(async () => {
  server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A bound TCP server's address is an AddressInfo.
  const { port } = server.address() as AddressInfo;
  const came = once(server, 'connection');
  client = connect({ port, host: '127.0.0.1' });
  [peer] = await came;
  peer.resume();
  endingWhenSilent(client, silentMs, false);
});
afterEach(() => {
  client.destroy();
  peer.destroy();
  server.close();
});

/** Sends bytes in pieces of so many, each a chunk of its own for the client. */
const sendIn = async (size: number, bytes: Buffer): Promise<void> => {
  for (let at = 0; at < bytes.length; at += size) {
    const read = once(client, 'data');
    peer.write(bytes.subarray(at, at + size));
    await read;
  }
};

it.each([1, 2, 3, 4, 5, 6, 7, 11, 1000])('knows an answer that came whole, in chunks of %i bytes', async (size) => {
  client.write(message('Q', 'select'));
  await sendIn(size, Buffer.concat([rows, ready]));
  await sleep(2 * silentMs);
  expect(client.destroyed).toBe(false);
});

it.each([1, 3, 1000])('ends when the rest of an answer does not come, in chunks of %i bytes', async (size) => {
  client.write(message('P', 'select'));
  client.write(message('S', ''));
  const failed = once(client, 'error');
  await sendIn(size, rows);
  expect(String(await failed)).toContain('was silent for');
});

it('counts what was asked in one write, with a head that ends in the next', async () => {
  const asked = Buffer.concat([message('Q', 'one'), message('Q', 'two')]);
  client.write(asked.subarray(0, 10));
  client.write(asked.subarray(10));
  const failed = once(client, 'error');
  await sendIn(1000, Buffer.concat([rows, ready]));
  expect(String(await failed)).toContain('was silent for');
});
