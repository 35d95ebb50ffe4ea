import { connect, type Socket } from 'node:net';
import { waitFor } from './wait.ts';

/** An answer as it stands on the wire. */
export interface WireAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** One connection to a server, with full say over the bytes. */
export interface Wire {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** The next whole answer. */
  answer(timeoutMs?: number): Promise<WireAnswer>;
  /** Everything received that is not part of an answer taken so far. */
  rest(): string;
  isClosed(): boolean;
  /** How long the connection lives on, in ms; fails when it outlives `timeoutMs`. */
  untilClosed(timeoutMs: number): Promise<number>;
  close(): void;
}

/** Takes one answer with a Content-Length, or without a body, off the front of the bytes. */
const takeAnswer = (bytes: Buffer): { answer: WireAnswer; left: Buffer } | null => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const status = Number(first.split(' ')[1]);
  const length = Number(headers.get('content-length') ?? 0);
  const body = bytes.subarray(end + 4, end + 4 + length);
  if (body.length < length) return null;
  return { answer: { status, headers, text: body.toString('utf8') }, left: bytes.subarray(end + 4 + length) };
};

/** Opens a connection to a port of the loopback address. */
export const openWire = async (port: number): Promise<Wire> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  // A server that hangs up while bytes are on their way is part of what is tested.
  socket.on('error', () => (closed = true));
  socket.on('close', () => (closed = true));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  const next = (): WireAnswer | null => {
    const taken = takeAnswer(received);
    if (taken === null) return null;
    received = Buffer.from(taken.left);
    return taken.answer;
  };
  return {
    socket,
    send: (bytes) => void (closed || socket.write(bytes)),
    answer: (timeoutMs = 10_000) =>
      waitFor(
        () => {
          const taken = next();
          if (taken === null && closed) throw new Error('the connection is closed');
          return taken;
        },
        { timeoutMs, intervalMs: 2, what: 'an answer' },
      ),
    rest: () => received.toString('latin1'),
    isClosed: () => closed,
    untilClosed: async (timeoutMs) => {
      const started = performance.now();
      await waitFor(() => closed, { timeoutMs, intervalMs: 5, what: 'the server to hang up' });
      return performance.now() - started;
    },
    close: () => void socket.destroy(),
  };
};

/** The head of a request, from its first line and headers (a name may come again). */
export const headOf = (first: string, headers: readonly (readonly [string, string])[]): string =>
  `${[first, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;
