import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { headOf, openWire } from '../../test/support/wire.ts';
import { AppError } from '../errors.ts';
import { readBody } from './body.ts';
import type { HttpEnv } from './env.ts';
import { type HttpServer, listen } from './server.ts';

const limit = 1000;
const outcomes: string[] = [];

/** Answers with the bytes it read, after it has waited as long as a header says. */
const app = new Hono<HttpEnv>().post('/', async (c) => {
  const wait = Number(c.req.header('x-wait') ?? 0);
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  const bytes = await readBody(c, limit);
  outcomes.push('read');
  return c.json({ hex: bytes.toString('hex') });
});
app.onError((error, c) => {
  outcomes.push(error.message);
  return c.json({ message: error.message }, error instanceof AppError ? error.status : 500);
});

const tooLarge = `{"message":"The body is larger than ${limit} bytes"}`;
let server: HttpServer;
beforeAll(async () => {
  server = await listen(app, { host: '127.0.0.1', port: 0, variable: 'PORT', elapsed: () => performance.now() });
});
afterAll(() => server.drain(100));

const head = (...headers: readonly (readonly [string, string])[]): string =>
  headOf('POST / HTTP/1.1', [['Host', 'localhost'], ...headers]);
const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const lastChunk = '0\r\n\r\n';
const everyByte = Buffer.from(Array.from({ length: 256 }, (_, index) => index));

describe('reading a body from a connection', () => {
  it.each([1, 7, 100, 256])('gives the bytes as they were sent, in chunks of %i', async (size) => {
    const wire = await openWire(server.port);
    wire.send(head(['Transfer-Encoding', 'chunked']));
    for (let start = 0; start < everyByte.length; start += size)
      wire.send(chunk(everyByte.subarray(start, start + size)));
    wire.send(lastChunk);
    expect((await wire.answer()).text).toBe(`{"hex":"${everyByte.toString('hex')}"}`);
    wire.close();
  });

  it.each([
    ['nothing', 0],
    ['one byte', 1],
    ['as much as may come', limit],
  ])('reads %s', async (_, size) => {
    const wire = await openWire(server.port);
    wire.send(head(['Content-Length', String(size)]) + 'a'.repeat(size));
    expect((await wire.answer()).text).toBe(`{"hex":"${'61'.repeat(size)}"}`);
    wire.close();
  });

  it('reads what came before it began to', async () => {
    const wire = await openWire(server.port);
    wire.send(head(['Content-Length', '3'], ['X-Wait', '100']) + 'abc');
    expect((await wire.answer()).text).toBe('{"hex":"616263"}');
    wire.close();
  });

  it.each([
    ['a length', head(['Content-Length', String(limit + 1)]) + 'x'.repeat(limit + 1)],
    [
      'chunks',
      `${head(['Transfer-Encoding', 'chunked'])}${(limit + 1).toString(16)}\r\n${'x'.repeat(limit + 1)}\r\n${lastChunk}`,
    ],
    ['a length and nothing that follows', head(['Content-Length', '5000'])],
  ])('is 413 over the limit, told by %s', async (_, bytes) => {
    const wire = await openWire(server.port);
    wire.send(bytes);
    const { status, text } = await wire.answer(5000);
    expect([status, text]).toEqual([413, tooLarge]);
    wire.close();
  });

  it('lets the connection be used again after a 413 whose body came whole', async () => {
    const wire = await openWire(server.port);
    for (let round = 0; round < 2; round += 1) {
      wire.send(head(['Content-Length', '3000']) + 'x'.repeat(3000));
      expect((await wire.answer()).status).toBe(413);
    }
    wire.send(head(['Content-Length', '1']) + 'x');
    expect((await wire.answer()).status).toBe(200);
    wire.close();
  });

  it.each([
    ['before it is read', '200', 0],
    ['while it is read', '0', 50],
  ])('ends when the sender goes away %s', async (_, wait, pause) => {
    outcomes.length = 0;
    const wire = await openWire(server.port);
    wire.send(head(['Content-Length', '10'], ['X-Wait', wait]) + 'abc');
    await new Promise((resolve) => setTimeout(resolve, 30 + pause));
    wire.socket.resetAndDestroy();
    await waitFor(() => outcomes.length > 0, { timeoutMs: 3000, what: 'the read to end' });
    expect(outcomes).toEqual(['The request was cut off']);
  });
});

describe('reading a body without a connection', () => {
  it('reads the Request instead', async () => {
    const answer = await app.request('/', { method: 'POST', body: 'abc' });
    expect(await answer.text()).toBe('{"hex":"616263"}');
    const refused = await app.request('/', { method: 'POST', body: 'x'.repeat(limit + 1) });
    expect([refused.status, await refused.text()]).toEqual([413, tooLarge]);
  });
});
