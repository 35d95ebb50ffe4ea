import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import type { HttpEnv } from './env.ts';
import { bodyChunks, linesOf } from './ndjson.ts';
import { onError } from './problem.ts';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const read = async (text: string, size: number, limit = 8) => {
  const found: [number, string | null][] = [];
  for await (const lines of linesOf(inPieces(Buffer.from(text), size), limit)) {
    found.push(...lines.map(({ number, bytes }): [number, string | null] => [number, bytes?.toString() ?? null]));
  }
  return found;
};

describe('linesOf', () => {
  it.each([1, 2, 3, 7, 100])('cuts the same lines from pieces of %i bytes', async (size) => {
    expect(await read('ab\n\n12345678\n123456789\n1234567890123456789\nend', size)).toEqual([
      [1, 'ab'],
      [2, ''],
      [3, '12345678'],
      [4, null],
      [5, null],
      [6, 'end'],
    ]);
  });

  it.each([
    ['', []],
    ['\n', [[1, '']]],
    ['a\n', [[1, 'a']]],
    ['a', [[1, 'a']]],
    ['é\n', [[1, 'é']]],
  ])('reads %j', async (text, expected) => {
    expect(await read(text, 1)).toEqual(expected);
  });
});

describe('bodyChunks', () => {
  const app = (idleMs: number) => {
    const hono = new Hono<HttpEnv>();
    hono.onError(onError);
    return hono.post('/', async (c) => {
      let size = 0;
      for await (const chunk of bodyChunks(c, idleMs)) size += chunk.length;
      return c.text(String(size));
    });
  };
  const send = (idleMs: number, body: ReadableStream<Uint8Array> | string) =>
    app(idleMs).request('/', { method: 'POST', body, ...(typeof body !== 'string' && { duplex: 'half' }) });

  it('gives the whole body', async () => {
    expect(await (await send(1000, 'hello')).text()).toBe('5');
    expect(await (await send(1000, '')).text()).toBe('0');
  });

  it('gives up on a sender that falls silent', async () => {
    const silent = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from('a')) });
    const answer = await send(30, silent);
    expect(answer.status).toBe(408);
    expect(await answer.json()).toMatchObject({ message: 'Nothing was sent for 0.03 seconds' });
  });

  it('says so when the body breaks off', async () => {
    const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('reset')) });
    const answer = await send(1000, broken);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ message: 'The request was cut off' });
  });
});
