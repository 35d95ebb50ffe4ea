import { createConnection, type Socket } from 'node:net';

/** An answer: its status and body, or status 0 where there was none. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

const none: Reply = { status: 0, body: '' };
const headEnd = '\r\n\r\n';

const chunksOf = (text: string): string => {
  let body = '';
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (!(size > 0)) return body;
    body += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
};

/** The answer that the text is, null while it is not whole. */
const replyOf = (text: string): Reply | null => {
  const head = text.indexOf(headEnd);
  if (head < 0) return null;
  const status = Number(text.slice(9, 12));
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1];
  const body = text.slice(head + headEnd.length);
  if (length === undefined) return text.endsWith(`0${headEnd}`) ? { status, body: chunksOf(body) } : null;
  return body.length < Number(length) ? null : { status, body };
};

/** One sender's connection to one server of this machine: kept open, and made anew after anything unusual. */
export interface Line {
  /** Sends a whole request and gives the answer; a lost connection or a lapse of `patienceMs` gives status 0. */
  ask(request: Buffer, patienceMs: number): Promise<Reply>;
  close(): void;
}

/** The bare socket costs a fifth of what node:http does, which leaves the processor to those under test. */
export const openLine = (port: number): Line => {
  let socket: Socket | null = null;
  let text = '';
  let settle: ((reply: Reply) => void) | null = null;
  const end = (reply: Reply): void => {
    const told = settle;
    settle = null;
    told?.(reply);
  };
  const drop = (): void => {
    socket?.destroy();
    socket = null;
  };
  const connect = (): Socket => {
    const made = createConnection({ port, host: '127.0.0.1', noDelay: true });
    made.setEncoding('latin1');
    made.on('data', (chunk: string) => {
      if (made !== socket) return;
      text += chunk;
      const reply = replyOf(text);
      if (reply === null) return;
      if (/\r\nconnection: close/i.test(text)) drop();
      end(reply);
    });
    const lost = (): void => {
      if (made !== socket) return;
      drop();
      end(none);
    };
    made.on('error', lost);
    made.on('close', lost);
    return made;
  };
  return {
    ask: (request, patienceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          drop();
          end(none);
        }, patienceMs);
        settle = (reply) => {
          clearTimeout(timer);
          resolve(reply);
        };
        text = '';
        socket ??= connect();
        socket.write(request);
      }),
    close: drop,
  };
};
