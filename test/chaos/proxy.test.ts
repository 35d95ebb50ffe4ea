import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import postgres from 'postgres';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

interface Peer {
  readonly socket: Socket;
  text(): string;
  ended(): boolean;
  fault(): string;
}

const peerOf = (socket: Socket): Peer => {
  const seen = { text: '', ended: false, fault: '' };
  socket.on('data', (chunk: Buffer) => (seen.text += chunk.toString('utf8')));
  socket.on('end', () => (seen.ended = true));
  socket.on('error', (error: NodeJS.ErrnoException) => (seen.fault = error.code ?? 'unknown'));
  return { socket, text: () => seen.text, ended: () => seen.ended, fault: () => seen.fault };
};

let server: Server;
let served: Peer[];
let proxy: FaultProxy;
const opened: Socket[] = [];

beforeEach(async () => {
  served = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    const peer = peerOf(socket);
    served.push(peer);
    socket.on('data', (chunk: Buffer) => socket.write(`<${chunk.toString('utf8')}>`));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  proxy = await startProxy({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.destroy();
  await proxy.close();
  for (const { socket } of served) socket.destroy();
  server.close();
});

const dial = async (): Promise<Peer> => {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  opened.push(socket);
  const peer = peerOf(socket);
  await once(socket, 'connect');
  return peer;
};

const says = async (peer: Peer, text: string): Promise<void> => {
  peer.socket.write(text);
  await waitFor(() => peer.text().endsWith(`<${text}>`), { what: `the answer to ${text}` });
};

const answered = async (): Promise<Peer> => {
  const peer = await dial();
  await says(peer, 'hello');
  return peer;
};

/** Long enough for anything on loopback that is not held back. */
const pass = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 150));

describe('a fault proxy', () => {
  it('passes bytes and ends, each direction by itself', async () => {
    const peer = await answered();
    peer.socket.end();
    await waitFor(() => served[0]?.ended(), { what: 'the end at the server' });
    served[0]?.socket.end('rest');
    await waitFor(() => peer.ended(), { what: 'the end at the client' });
    expect(peer.text()).toBe('<hello>rest');
    await waitFor(() => proxy.connections() === 0, { what: 'no connection' });
  });

  it('passes much, in order, to a reader that is slow', async () => {
    const peer = await dial();
    const much = 'x'.repeat(3_000_000);
    peer.socket.pause();
    peer.socket.write(much);
    await pass();
    peer.socket.resume();
    const echoed = (): number => peer.text().replaceAll(/[<>]/g, '').length;
    await waitFor(() => echoed() >= much.length, { what: 'all of it' });
    expect(echoed()).toBe(much.length);
  });

  it('delays each direction', async () => {
    const peer = await answered();
    proxy.slow(100, 20);
    const started = performance.now();
    await says(peer, 'slow');
    expect(performance.now() - started).toBeGreaterThanOrEqual(195);
    proxy.heal();
    await says(peer, 'fast');
  });

  it('keeps to the order of what it delays', async () => {
    const peer = await answered();
    proxy.slow(20, 20);
    const numbers = Array.from({ length: 2000 }, (_, n) => `${n};`);
    for (const number of numbers) {
      peer.socket.write(number);
      // Some chunks in each millisecond.
      const next = performance.now() + 0.3;
      while (performance.now() < next) await new Promise(setImmediate);
    }
    const echoed = (): string => peer.text().replace('<hello>', '').replaceAll(/[<>]/g, '');
    await waitFor(() => echoed().length >= numbers.join('').length, { what: 'all of it' });
    expect(echoed()).toBe(numbers.join(''));
    proxy.heal();
  });

  it('refuses, resets what is open, and is there again', async () => {
    const peer = await answered();
    proxy.refuse();
    await waitFor(() => peer.fault() === 'ECONNRESET' && served[0]?.fault() === 'ECONNRESET', { what: 'resets' });
    await expect(dial()).rejects.toThrow('ECONNREFUSED');
    proxy.heal();
    await waitFor(dial, { what: 'a connection' });
    await answered();
  });

  it('resets what is open only', async () => {
    const peer = await answered();
    proxy.reset();
    await waitFor(() => peer.fault() === 'ECONNRESET', { what: 'a reset' });
    expect((await answered()).text()).toBe('<hello>');
  });

  it('swallows bytes, connections and ends, and lets them go when healed', async () => {
    const [open, leaving] = [await answered(), await answered()];
    proxy.blackhole();
    open.socket.write('held');
    leaving.socket.resetAndDestroy();
    const late = await dial();
    late.socket.write('late');
    await pass();
    expect([open.text(), late.text(), open.fault(), late.fault()]).toEqual(['<hello>', '', '', '']);
    expect(served[1]?.ended()).toBe(false);
    expect(served[1]?.fault()).toBe('');
    proxy.heal();
    await waitFor(() => open.text() === '<hello><held>' && late.text() === '<late>', { what: 'what was held' });
    await waitFor(() => served[1]?.fault() === 'ECONNRESET' || served[1]?.ended(), {
      what: 'the end of the one that left',
    });
  });

  it.each([
    ['to-server', 'hello'],
    ['to-client', 'hellohalf'],
  ] as const)('stops only what goes %s', async (direction, reached) => {
    const peer = await answered();
    proxy.halfOpen(direction);
    peer.socket.write('half');
    await pass();
    expect(served[0]?.text()).toBe(reached);
    served[0]?.socket.write('!');
    await pass();
    expect(peer.text()).toBe(direction === 'to-server' ? '<hello>!' : '<hello>');
    proxy.heal();
    await waitFor(() => peer.text().includes('<half>') && peer.text().includes('!'), { what: 'what was held' });
  });

  it('strands open connections for good, without telling anybody', async () => {
    const peer = await answered();
    proxy.strand();
    peer.socket.write('lost');
    await answered();
    proxy.heal();
    await pass();
    peer.socket.resetAndDestroy();
    await pass();
    expect([peer.text(), served[0]?.text(), served[0]?.fault(), served[0]?.ended()]).toEqual([
      '<hello>',
      'hello',
      '',
      false,
    ]);
  });

  it('cuts connections after so many bytes', async () => {
    proxy.drop(1, 9);
    const peer = await answered();
    peer.socket.write('more');
    await waitFor(() => peer.socket.destroyed, { what: 'the cut' });
    expect(peer.text()).toBe('<hello><m');
    proxy.heal();
    await answered();
  });

  it('loses the answer to what matches, after the server has done it', async () => {
    const peer = await answered();
    proxy.loseAnswers(/commit/, 1);
    peer.socket.write('commit');
    await waitFor(() => peer.fault() === 'ECONNRESET', { what: 'a reset' });
    expect([peer.text(), served[0]?.text(), proxy.lost()]).toEqual(['<hello>', 'hellocommit', 1]);
    await says(await dial(), 'commit');
  });
});

describe('a fault proxy before PostgreSQL', () => {
  it('loses the answer to a commit, prepared or not, and to nothing else', async () => {
    const database = await createTestDatabase();
    const { hostname, port } = new URL(database.url);
    const before = await startProxy({ host: hostname, port: Number(port), protocol: 'postgres' });
    const through = new URL(database.url);
    [through.hostname, through.port] = ['127.0.0.1', String(before.port)];
    const look = postgres(database.url, { max: 1, onnotice: () => undefined });
    await look`create table kept (n int)`;
    const own = async (work: (sql: postgres.Sql) => Promise<unknown>): Promise<string> => {
      const sql = postgres(through.href, { max: 1, fetch_types: false, onnotice: () => undefined });
      const outcome = await work(sql).then(
        () => 'done',
        (error: unknown) => String(error),
      );
      await sql.end({ timeout: 1 });
      return outcome;
    };
    const add = (sql: postgres.Sql, n: number) => sql.begin((tx) => tx`insert into kept values (${n})`);
    before.loseAnswers(/^commit/i, 1);
    expect(await own((sql) => add(sql, 1))).toMatch(/CONNECTION_CLOSED|ECONNRESET/);
    const prepared = await own(async (sql) => {
      await add(sql, 2);
      before.loseAnswers(/^commit/i, 1);
      await add(sql, 3);
    });
    expect(prepared).toMatch(/CONNECTION_CLOSED|ECONNRESET/);
    before.loseAnswers(/insert into kept/, 1);
    expect(await own((sql) => sql`insert into kept values (${4})`)).toMatch(/CONNECTION_CLOSED|ECONNRESET/);
    expect(await own((sql) => add(sql, 5))).toBe('done');
    expect((await look<{ n: number }[]>`select n from kept order by n`).map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
    expect(before.lost()).toBe(3);
    await look.end();
    await before.close();
    await database.drop();
  });
});
