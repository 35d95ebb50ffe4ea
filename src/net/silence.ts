import type { Socket } from 'node:net';

/** An error as a socket has it, with the code that tells what kind it is. */
export const faultOf = (code: string, message: string): Error => Object.assign(new Error(message), { code });

const [sync, query, flush, ready] = [0x53, 0x51, 0x48, 0x5a];

/** Reads the kinds of a stream of PostgreSQL's messages: a kind of one byte, four of length that count themselves, the rest. */
const kindReader = (onKind: (kind: number) => void): ((chunk: Buffer) => void) => {
  let head: Buffer = Buffer.alloc(0);
  let skip = 0;
  const begin = (five: Buffer, at: number): void => {
    onKind(five[at] ?? 0);
    skip = five.readUInt32BE(at + 1) - 4;
  };
  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      const step = Math.min(skip, chunk.length - at);
      at += step;
      skip -= step;
      if (skip > 0 || at === chunk.length) return;
      if (head.length === 0 && chunk.length - at >= 5) {
        begin(chunk, at);
        at += 5;
        continue;
      }
      // A head in two chunks.
      const part = chunk.subarray(at, at + 5 - head.length);
      head = Buffer.concat([head, part]);
      at += part.length;
      if (head.length < 5) return;
      begin(head, 0);
      head = Buffer.alloc(0);
    }
  };
};

/** Keeps count of what the server owes: something after each flush, and that it is ready again after each statement. */
const debt = (begins: boolean) => {
  let [statements, flushed, begun] = [0, false, !begins];
  const asked = kindReader((kind) => {
    if (kind === sync || kind === query) statements += 1;
    if (kind === flush) flushed = true;
  });
  const answered = kindReader((kind) => {
    if (kind === ready) statements -= 1;
  });
  return {
    sent: (chunk: Buffer): void => {
      // The first message has no kind; it is answered like a statement.
      if (begun) asked(chunk);
      else statements += 1;
      begun = true;
    },
    came: (chunk: Buffer): void => {
      answered(chunk);
      flushed = false;
    },
    isOpen: () => flushed || statements > 0,
  };
};

/**
 * Ends a connection of the driver's once the server owes it an answer and has not sent a byte for `silentMs`: nobody is
 * there any more, which TCP alone finds out after a quarter of an hour. A server that cuts statements off sooner is never
 * meant.
 *
 * @param socket in the clear or past TLS; one that was told to connect already, as `connect` takes back what is put around
 * `write`
 * @param begins false for a connection that is ready for statements
 */
export const endingWhenSilent = <T extends Socket>(socket: T, silentMs: number, begins = true): T => {
  const owed = debt(begins);
  let timer: NodeJS.Timeout | undefined;
  // Every answer sets the timer anew, and an error costs more to make than that.
  const end = (): void => {
    socket.destroy(faultOf('ETIMEDOUT', `PostgreSQL owes an answer and was silent for ${silentMs / 1000} s`));
  };
  const watch = (): void => {
    clearTimeout(timer);
    if (!owed.isOpen()) return;
    timer = setTimeout(end, silentMs);
  };
  const write = socket.write.bind(socket);
  const watched = (...args: Parameters<typeof write>): boolean => {
    const [chunk] = args;
    const before = owed.isOpen();
    owed.sent(
      typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length),
    );
    if (!before) watch();
    return write(...args);
  };
  socket.on('data', (chunk: Buffer) => {
    owed.came(chunk);
    watch();
  });
  socket.once('close', () => clearTimeout(timer));
  return Object.assign(socket, { write: watched });
};
