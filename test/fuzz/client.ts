import { connect, type Socket } from 'node:net';

/** How a server reacted to bytes: with a status, or by hanging up without one. */
export interface Reaction {
  /** Null where the connection ended, or nothing came, before a status. */
  readonly status: number | null;
  /** Head and body of the answer, as far as they came. */
  readonly text: string;
  readonly silent: boolean;
}

/** One place that sends bytes, on the same connection as long as the server keeps it. */
export interface Sender {
  /** @param last true ends the sending side of the connection behind the bytes: they may be cut off anywhere. */
  send(bytes: Uint8Array, last: boolean): Promise<Reaction>;
  close(): void;
}

const patienceMs = 2000;
const longestText = 64 * 1024;

interface Waiting {
  text: string;
  done: (reaction: Reaction) => void;
}

const headEnd = /\r\n\r\n/;

/** The first whole answer in the text that is no interim one; null while more has to come. */
const answerIn = (text: string): { status: number; keeps: boolean } | null => {
  let rest = text;
  for (;;) {
    const end = headEnd.exec(rest)?.index ?? -1;
    if (end < 0) return null;
    const head = rest.slice(0, end);
    const status = Number(head.slice(9, 12));
    if (status >= 100 && status < 200) {
      rest = rest.slice(end + 4);
      continue;
    }
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const body = rest.length - end - 4;
    if (length !== undefined && body < Number(length)) return null;
    if (length === undefined && /\r\ntransfer-encoding: chunked/i.test(head) && !rest.endsWith('0\r\n\r\n'))
      return null;
    return { status, keeps: length !== undefined && body === Number(length) && !/\r\nconnection: close/i.test(head) };
  }
};

/** Opens connections to a port of the loopback address as they are needed. */
export const createSender = (port: number): Sender => {
  let socket: Socket | null = null;
  let waiting: Waiting | null = null;

  const finish = (silent: boolean): void => {
    const current = waiting;
    if (current === null) return;
    waiting = null;
    const answer = answerIn(current.text);
    // An answer without a length ends with its connection.
    const status = answer?.status ?? (Number(/^HTTP\/1\.1 ([2-5]\d\d)/m.exec(current.text)?.[1] ?? 0) || null);
    current.done({ status, text: current.text, silent });
  };
  const open = (): Socket => {
    const made = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const gone = (): void => {
      if (socket !== made) return;
      socket = null;
      finish(false);
    };
    made.setEncoding('latin1');
    made.on('data', (chunk: string) => {
      if (waiting === null || socket !== made) return;
      if (waiting.text.length < longestText) waiting.text += chunk;
      const answer = answerIn(waiting.text);
      if (answer === null) return;
      if (!answer.keeps) drop();
      finish(false);
    });
    made.on('end', () => {
      gone();
      made.destroy();
    });
    made.on('error', gone).on('close', gone);
    return made;
  };
  const drop = (): void => {
    const old = socket;
    socket = null;
    old?.resetAndDestroy();
  };
  return {
    send: (bytes, last) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          drop();
          finish(true);
        }, patienceMs);
        waiting = {
          text: '',
          done: (reaction) => {
            clearTimeout(timer);
            if (last) drop();
            resolve(reaction);
          },
        };
        socket ??= open();
        if (last) socket.end(bytes);
        else socket.write(bytes);
      }),
    close: drop,
  };
};
