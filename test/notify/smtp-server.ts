import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Behaviour } from './receiver.ts';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** The message with its headers, lines ended by CRLF. */
  readonly data: string;
  readonly secure: boolean;
  /** Decoded account of AUTH PLAIN, or null. */
  readonly account: string | null;
}

export interface SmtpServer {
  readonly port: number;
  readonly received: Mail[];
  readonly connections: () => number;
  behave(next: Behaviour): void;
  close(): Promise<void>;
}

export interface SmtpOptions {
  readonly key: string;
  readonly cert: string;
  /** TLS from the first byte, as on port 465. */
  readonly implicit?: boolean;
  /** False: STARTTLS is neither announced nor understood. */
  readonly starttls?: boolean;
  /** Recipients that are refused. */
  readonly refused?: readonly string[];
}

interface Session {
  from: string;
  to: string[];
  account: string | null;
  secure: boolean;
  said: string;
}

const newSession = (secure: boolean): Session => ({ from: '', to: [], account: null, secure, said: '' });
const addressIn = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? '';

const pourInto = (socket: Socket): void => {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(`220-${'x'.repeat(1000)}\r\n`));
  };
  socket.on('drain', pour);
  pour();
};

/** A mail server on loopback with just as much SMTP (RFC 5321, 3207, 4954) as the tests need. */
export const startSmtpServer = async (options: SmtpOptions): Promise<SmtpServer> => {
  const { key, cert, implicit = false, starttls = true, refused = [] } = options;
  const sockets = new Set<Socket>();
  const received: Mail[] = [];
  let behaviour: Behaviour = { kind: 'accept' };
  let connections = 0;

  const recipientReply = (session: Session, line: string): string => {
    const address = addressIn(line);
    if (behaviour.kind === 'status') return `${behaviour.status} not now`;
    if (behaviour.kind === 'echo') return `550 no: ${session.said.replaceAll('\r\n', ' | ')}`;
    if (refused.includes(address)) return '550 unknown';
    session.to.push(address);
    return '250 ok';
  };

  const reply = (session: Session, line: string): string => {
    const verb = (line.split(' ')[0] ?? '').toUpperCase();
    switch (verb) {
      case 'EHLO':
        return ['mail.test', ...(session.secure || !starttls ? ['AUTH PLAIN'] : ['STARTTLS'])]
          .map((word, index, all) => `250${index === all.length - 1 ? ' ' : '-'}${word}`)
          .join('\r\n');
      case 'AUTH':
        session.account = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString('utf8');
        return '235 welcome';
      case 'MAIL':
        session.from = addressIn(line);
        return '250 ok';
      case 'RCPT':
        return recipientReply(session, line);
      case 'QUIT':
        return '221 bye';
      default:
        return '502 what?';
    }
  };

  const converse = (socket: Socket, session: Session): void => {
    let pending = '';
    let inData = false;
    const upgrade = (): void => {
      socket.removeAllListeners('data');
      socket.write('220 go ahead\r\n');
      const secure = new TLSSocket(socket, { isServer: true, key, cert });
      secure.on('error', () => socket.destroy());
      converse(secure, newSession(true));
    };
    const onLine = (line: string): void => {
      session.said += `${line}\r\n`;
      if (line.toUpperCase() === 'STARTTLS' && starttls && !session.secure) return upgrade();
      if (line.toUpperCase() === 'DATA') inData = true;
      socket.write(inData ? '354 go on\r\n' : `${reply(session, line)}\r\n`);
    };
    socket.on('data', (chunk: Buffer) => {
      if (behaviour.kind === 'silent') return;
      pending += chunk.toString('latin1');
      for (;;) {
        const end = inData ? pending.indexOf('\r\n.\r\n') : pending.indexOf('\r\n');
        if (end < 0) return;
        const text = pending.slice(0, end);
        pending = pending.slice(end + (inData ? 5 : 2));
        if (inData) {
          inData = false;
          const { from, to, secure, account } = session;
          received.push({ from, to: [...to], data: text, secure, account });
          socket.write('250 2.0.0 queued\u202E as 1\r\n');
        } else onLine(text);
      }
    });
  };

  const server = createServer((raw) => {
    connections += 1;
    sockets.add(raw);
    raw.on('close', () => sockets.delete(raw));
    raw.on('error', () => raw.destroy());
    const socket = implicit ? new TLSSocket(raw, { isServer: true, key, cert }) : raw;
    if (implicit) socket.on('error', () => raw.destroy());
    if (behaviour.kind === 'reset') raw.resetAndDestroy();
    else if (behaviour.kind === 'endless') pourInto(socket);
    else if (behaviour.kind !== 'silent') {
      converse(socket, newSession(implicit));
      socket.write('220 mail.test\r\n');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // listening on TCP
    received,
    connections: () => connections,
    behave: (next) => (behaviour = next),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
