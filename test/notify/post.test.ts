import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startDns } from './dns-server.ts';
import { fire, openChannel } from './fixtures.ts';
import { startReceiver } from './receiver.ts';
import { type KeyPair, selfSigned } from './self-signed.ts';

const host = 'secure.notafter.test';
let pair: KeyPair;
const closing: (() => Promise<void>)[] = [];

beforeAll(() => {
  pair = selfSigned(host);
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const sendTo = async (name: string, trustedCas?: readonly string[]) => {
  const receiver = await startReceiver(pair);
  const dns = await startDns({ [host]: () => ['127.0.0.1'], 'other.notafter.test': () => ['127.0.0.1'] });
  closing.push(
    () => receiver.close(),
    () => dns.close(),
  );
  const channel = openChannel(
    { type: 'webhook', url: `https://${name}:${receiver.port}/hook` },
    { nameServers: [dns.address], ...(trustedCas && { trustedCas }) },
  );
  return { delivery: await channel.send(fire), receiver };
};

describe('over TLS', () => {
  it('connects to the vetted address, with the name in SNI and Host', async () => {
    const { delivery, receiver } = await sendTo(host, [pair.cert]);
    expect(delivery).toMatchObject({ kind: 'sent', status: 202 });
    expect(receiver.received[0]).toMatchObject({ servername: host, headers: { host: `${host}:${receiver.port}` } });
  });

  it.each<[string, string, boolean]>([
    ['is not trusted', host, false],
    ['is for another name', 'other.notafter.test', true],
    ['is not for its address', '127.0.0.1', true],
  ])('sends nothing when the certificate %s', async (_, name, trusted) => {
    const { delivery, receiver } = await sendTo(name, trusted ? [pair.cert] : undefined);
    expect(delivery).toMatchObject({ kind: 'retry', status: null });
    expect(JSON.stringify(delivery)).toMatch(/\((DEPTH_ZERO_SELF_SIGNED_CERT|ERR_TLS_CERT_ALTNAME_INVALID)\)/);
    expect(receiver.received).toHaveLength(0);
  });
});

describe('a server that takes the connection and says nothing of TLS', () => {
  it('is left when time is up, and the connection with it', async () => {
    const closed = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => closed.resolve());
      socket.resume();
    });
    closing.push(async () => {
      server.close();
      await once(server, 'close');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // listening on TCP
    const started = performance.now();
    const channel = openChannel({ type: 'webhook', url: `https://127.0.0.1:${port}/` }, { deadlineMs: 300 });
    expect(await channel.send(fire)).toMatchObject({ kind: 'retry', status: null });
    await closed.promise;
    expect(performance.now() - started).toBeLessThan(1500);
  });
});

describe('addresses written in odd ways', () => {
  it.each([
    'http://2130706433/',
    'http://0x7f.1/',
    'http://127.1/',
    'http://017700000001/',
    'http://localhost/',
    'http://a.localhost./',
    'http://[::]/',
    'http://0.0.0.0/',
    'http://[64:ff9b::7f00:1]/',
    'http://169.254.169.254/latest/meta-data',
    'http://user:secret@127.0.0.1@10.0.0.1/',
  ])('are refused where they lead to nothing public: %s', async (url) => {
    const delivery = await openChannel({ type: 'webhook', url }, { loopback: false }).send(fire);
    expect(delivery.kind).toBe('refused');
  });
});

describe('an answer that dawdles', () => {
  it('counts by its status, and is not waited for', async () => {
    const receiver = await startReceiver();
    closing.push(() => receiver.close());
    receiver.behave({ kind: 'drip' });
    const started = performance.now();
    const channel = openChannel({ type: 'webhook', url: `http://127.0.0.1:${receiver.port}/` }, { deadlineMs: 30_000 });
    const delivery = await channel.send(fire);
    expect(delivery).toMatchObject({ kind: 'sent', status: 200 });
    expect(delivery.snippet).toMatch(/^x+$/);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
