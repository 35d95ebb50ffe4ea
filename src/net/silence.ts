import type { Socket } from 'node:net';

/** An error as a socket has it, with the code that tells what kind it is. */
export const faultOf = (code: string, message: string): Error => Object.assign(new Error(message), { code });

const [sync, query, flush, ready] = [0x53, 0x51, 0x48, 0x5a];

/** Reads the kinds of a stream of PostgreSQL's messages: a kind of one byte, four of length that count themselves, the rest. */
const kindReader = () => {
  let head: Buffer = Buffer.alloc(0);
  let skip = 0;
  return (chunk: Buffer): number[] => {
    const kinds: number[] = [];
    let at = 0;
    while (at < chunk.length) {
      const step = Math.min(skip, chunk.length - at);
      [at, skip] = [at + step, skip - step];
      const part = chunk.subarray(at, at + 5 - head.length);
      if (skip > 0 || part.length === 0) break;
      head = head.length === 0 ? part : Buffer.concat([head, part]);
      at += part.length;
      if (head.length < 5) break;
      kinds.push(head[0] ?? 0);
      skip = head.readUInt32BE(1) - 4;
      head = Buffer.alloc(0);
    }
    return kinds;
  };
};

/** Keeps count of what the server owes: something after each flush, and that it is ready again after each statement. */
const debt = (begins: boolean) => {
  const [asked, answered] = [kindReader(), kindReader()];
  let [statements, flushed, begun] = [0, false, !begins];
  return {
    sent: (chunk: Buffer): void => {
      // The first message has no kind; it is answered like a statement.
      const kinds = begun ? asked(chunk) : [query];
      begun = true;
      statements += kinds.filter((kind) => kind === sync || kind === query).length;
      flushed ||= kinds.includes(flush);
    },
    came: (chunk: Buffer): void => {
      statements -= answered(chunk).filter((kind) => kind === ready).length;
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
