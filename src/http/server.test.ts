import { createServer } from 'node:net';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { headOf, openWire, type Wire } from '../../test/support/wire.ts';
import { StartError } from '../errors.ts';
import type { HttpEnv } from './env.ts';
import { type HttpServer, listen } from './server.ts';

const elapsed = (): number => performance.now();
const options = { host: '127.0.0.1', port: 0, variable: 'PORT', elapsed };
const host = ['Host', 'localhost'] as const;

const held: (() => void)[] = [];
/** Answers with the length of what it read; `/held` waits until the test lets it go, `/unread` reads nothing. */
const app = new Hono<HttpEnv>()
  .post('/read', async (c) => c.json({ length: (await c.req.raw.arrayBuffer()).byteLength }))
  .post('/v1/things/import', async (c) => c.json({ length: (await c.req.raw.arrayBuffer()).byteLength }))
  .post('/unread', (c) => c.json({ refused: true }, 401))
  .get('/held', async (c) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return c.json({ held: false });
  })
  .get('/console/live', (c) =>
    c.body(new ReadableStream({ start: (to) => to.enqueue(new TextEncoder().encode('data: {}\n\n')) })),
  )
  .get('/', (c) => c.json({ ok: true }));
app.onError((_, c) => c.json({ cutOff: true }, 400));

describe.concurrent('a server in a hurry', () => {
  const headersMs = 500;
  const requestMs = 1200;
  let server: HttpServer;
  beforeAll(async () => {
    server = await listen(app, { ...options, headersMs, requestMs });
  });
  afterAll(() => server.drain(0));

  /** Sends a byte every 50 ms until the server hangs up or the test does. */
  const drip = (wire: Wire, byte: string): { stop: () => void } => {
    const timer = setInterval(() => wire.send(byte), 50);
    return { stop: () => clearInterval(timer) };
  };

  it.each([
    ['says nothing', '', ''],
    ['says nothing more after its first line', 'POST /read HTTP/1.1\r\n', ''],
    ['drips its headers', 'POST /read HTTP/1.1\r\nX: ', 'x'],
    ['drips whole headers', 'POST /read HTTP/1.1\r\n', 'X: y\r\n'],
  ])('cuts off a sender that %s', async (_, start, piece) => {
    const wire = await openWire(server.port);
    wire.send(start);
    const dripping = drip(wire, piece);
    const ms = await wire.untilClosed(5000);
    dripping.stop();
    expect(ms).toBeGreaterThan(headersMs * 0.8);
    expect(ms).toBeLessThan(headersMs * 3);
  });

  it('cuts off a sender that drips its second request', async () => {
    const wire = await openWire(server.port);
    wire.send(headOf('GET / HTTP/1.1', [host]));
    expect((await wire.answer()).status).toBe(200);
    wire.send('GET / HTTP/1.1\r\nX: ');
    const dripping = drip(wire, 'x');
    expect(await wire.untilClosed(5000)).toBeLessThan(headersMs * 3);
    dripping.stop();
  });

  it.each([
    ['a body of a known length', ['Content-Length', '100000'] as const, 'x'],
    ['chunks', ['Transfer-Encoding', 'chunked'] as const, '1\r\nx\r\n'],
    ['nothing of its body', ['Content-Length', '10'] as const, ''],
  ])('cuts off a sender that drips %s', async (_, header, piece) => {
    const wire = await openWire(server.port);
    wire.send(headOf('POST /read HTTP/1.1', [host, header]));
    const dripping = drip(wire, piece);
    const ms = await wire.untilClosed(8000);
    dripping.stop();
    expect(ms).toBeGreaterThan(requestMs * 0.8);
    expect(ms).toBeLessThan(requestMs * 2);
  });

  it('hears an import out, however slow it is', async () => {
    const wire = await openWire(server.port);
    const pieces = 50;
    wire.send(headOf('POST /v1/things/import?x=1 HTTP/1.1', [host, ['Content-Length', String(pieces)]]));
    const started = elapsed();
    for (let sent = 0; sent < pieces; sent += 1) {
      await new Promise((resolve) => setTimeout(resolve, (requestMs * 2) / pieces));
      wire.send('x');
    }
    expect(elapsed() - started).toBeGreaterThan(requestMs * 1.5);
    expect((await wire.answer()).text).toBe(`{"length":${pieces}}`);
    wire.close();
  });

  it.each(['/v1/nothing/import', '/unread'])('lets nobody drip at %s once it is answered', async (path) => {
    const wire = await openWire(server.port);
    wire.send(headOf(`POST ${path} HTTP/1.1`, [host, ['Content-Length', '100000']]));
    const dripping = drip(wire, 'x');
    expect((await wire.answer()).status).toBeGreaterThanOrEqual(400);
    expect(await wire.untilClosed(5000)).toBeLessThan(requestMs * 2);
    dripping.stop();
  });

  it('leaves a connection alone that waits between two requests', async () => {
    const wire = await openWire(server.port);
    for (let round = 0; round < 2; round += 1) {
      wire.send(headOf('GET / HTTP/1.1', [host]));
      expect((await wire.answer()).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, headersMs * 2));
    }
    expect(wire.isClosed()).toBe(false);
    wire.close();
  });
});

describe('a server', () => {
  it('keeps a connection whose body nobody has read', async () => {
    const server = await listen(app, options);
    const wire = await openWire(server.port);
    wire.send(headOf('POST /unread HTTP/1.1', [host, ['Content-Length', '50000']]) + 'x'.repeat(50_000));
    expect((await wire.answer()).status).toBe(401);
    wire.send(headOf('POST /read HTTP/1.1', [host, ['Content-Length', '3']]) + 'abc');
    expect((await wire.answer()).text).toBe('{"length":3}');
    wire.close();
    await server.drain(100);
  });

  it('answers requests that were sent in one go in their order', async () => {
    const server = await listen(app, options);
    const wire = await openWire(server.port);
    wire.send(
      [1, 2, 3]
        .map((n) => headOf('POST /read HTTP/1.1', [host, ['Content-Length', String(n)]]) + 'x'.repeat(n))
        .join(''),
    );
    for (const n of [1, 2, 3]) expect((await wire.answer()).text).toBe(`{"length":${n}}`);
    wire.close();
    await server.drain(100);
  });

  it('drains at once though a stream is open that would never end', async () => {
    const server = await listen(app, options);
    const wire = await openWire(server.port);
    let heard = '';
    wire.socket.on('data', (bytes) => (heard += String(bytes)));
    wire.send(headOf('GET /console/live HTTP/1.1', [host]));
    await waitFor(() => heard.includes('data: {}'), { what: 'the stream to begin' });
    const started = elapsed();
    await server.drain(5000);
    expect(elapsed() - started).toBeLessThan(1500);
    await wire.untilClosed(1000);
  });

  it('drains: answers what is in flight, tells the client to go, takes no more and ends', async () => {
    const server = await listen(app, options);
    const [busy, idle] = [await openWire(server.port), await openWire(server.port)];
    idle.send(headOf('GET / HTTP/1.1', [host]));
    expect((await idle.answer()).status).toBe(200);
    busy.send(headOf('GET /held HTTP/1.1', [host]));
    await waitFor(() => held.length > 0, { what: 'the request to be held' });
    const drained = server.drain(5000);
    await idle.untilClosed(2000);
    await expect(openWire(server.port)).rejects.toThrow('ECONNREFUSED');
    held.pop()?.();
    const answer = await busy.answer();
    expect(answer.status).toBe(200);
    await drained;
    await busy.untilClosed(1000);
  });

  it('hangs up on what does not end in time', async () => {
    const server = await listen(app, options);
    const wire = await openWire(server.port);
    wire.send(headOf('GET /held HTTP/1.1', [host]));
    await waitFor(() => held.length > 0, { what: 'the request to be held' });
    const started = elapsed();
    await server.drain(200);
    expect(elapsed() - started).toBeLessThan(1500);
    await wire.untilClosed(1000);
    held.pop()?.();
  });

  it('says which variable to change where its port is taken', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const address = blocker.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const failure = await listen(app, { ...options, port, variable: 'CERT_METRICS_PORT' }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StartError);
    expect(String(failure)).toContain(`port ${port} is in use: set CERT_METRICS_PORT to another`);
    await new Promise((resolve) => blocker.close(resolve));
  });
});
