import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import type { HttpEnv } from './env.ts';

/** A line of the body, numbered from 1; `bytes` is null for one that is longer than the limit. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer | null;
}

const newline = 0x0a;

/**
 * Cuts a stream of bytes into lines of at most `limit` bytes, those of one chunk together. Of a line that is too long
 * nothing is kept, however long it is.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Line[]> {
  let number = 0;
  let parts: Buffer[] = [];
  let size = 0;
  const add = (part: Buffer): void => {
    size += part.length;
    if (size > limit) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  const finish = (): Line => {
    const bytes = size > limit ? null : parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    parts = [];
    size = 0;
    number += 1;
    return { number, bytes };
  };
  for await (const chunk of chunks) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Line[] = [];
    let start = 0;
    for (let end = buffer.indexOf(newline); end !== -1; end = buffer.indexOf(newline, start)) {
      add(buffer.subarray(start, end));
      lines.push(finish());
      start = end + 1;
    }
    add(buffer.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (size > 0) yield [finish()];
}

const source = (c: Context<HttpEnv>): AsyncIterator<Uint8Array> => {
  const incoming = c.env?.incoming;
  if (incoming instanceof Object && 'httpVersion' in incoming && incoming.readable) {
    // Only HTTP/1.1 servers are started, so the binding is an IncomingMessage; its socket is still needed for the answer.
    return incoming.iterator({ destroyOnReturn: false });
  }
  return (c.req.raw.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() })).values();
};

const cutOff = (cause: unknown): never => {
  throw new AppError('bad_request', 'The request was cut off', { cause });
};

/**
 * The body piece by piece, read no faster than it is taken.
 *
 * @throws AppError `request_timeout` when nothing comes for `idleMs`, `bad_request` when the sender goes away.
 */
export async function* bodyChunks(c: Context<HttpEnv>, idleMs: number): AsyncGenerator<Uint8Array> {
  const chunks = source(c);
  for (;;) {
    const { promise: idle, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), idleMs);
    const next = await Promise.race([chunks.next().catch(cutOff), idle]).finally(() => clearTimeout(timer));
    if (next === null) throw new AppError('request_timeout', `Nothing was sent for ${idleMs / 1000} seconds`);
    if (next.done === true) return;
    yield next.value;
  }
}
