import { connect as connectTcp, isIP, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ServerTls } from '../lifecycle/database-url.ts';
import { endingWhenSilent, faultOf } from '../net/silence.ts';

const connectMs = 5000;
// SSLRequest of the protocol: a length of eight, and the number that stands for "TLS?".
const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const saysYes = 'S';

/** What the driver tells of a connection that it wants. */
interface Wanted {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false;
}

/**
 * Has a socket tell of a fault and of its end in one go. Node tells of the fault first and of the end a turn later; the
 * driver goes on using the connection in between, and what it sends there is never answered, or answered with nothing.
 */
const endingWithFault = (socket: Socket): Socket => {
  const emit = socket.emit.bind(socket);
  let fault: unknown;
  Object.assign(socket, {
    emit: (event: string, ...args: unknown[]): boolean => {
      if (event === 'error') {
        fault ??= args[0];
        return true;
      }
      if (event === 'close' && fault !== undefined) emit('error', fault);
      return emit(event, ...args);
    },
  });
  return socket;
};

/** A socket that fails as soon as somebody listens to it: the driver forgets a connection that it never got. */
const failed = (error: Error): Socket => {
  const socket = new Socket();
  setImmediate(() => socket.destroy(error));
  return socket;
};

/** Asks the server for TLS on a connection that is opening, and gives the secured one. */
const secured = (raw: Socket, host: string, tls: ServerTls): Promise<Socket> =>
  new Promise((resolve) => {
    const give = (socket: Socket): void => {
      raw.removeAllListeners();
      raw.setTimeout(0);
      resolve(socket);
    };
    const fail = (error: Error): void => {
      give(failed(error));
      raw.once('error', () => undefined).destroy();
    };
    raw.setTimeout(connectMs, () => fail(faultOf('CONNECT_TIMEOUT', 'PostgreSQL does not answer')));
    raw.once('error', fail);
    raw.once('close', () => fail(faultOf('CONNECTION_CLOSED', 'PostgreSQL closes connections before TLS begins')));
    // Whatever comes with the answer was not sent by the server that is about to prove who it is.
    raw.once('data', (answer) => {
      if (answer.toString('latin1') !== saysYes)
        fail(faultOf('NO_TLS', 'PostgreSQL does not speak TLS: turn it on there'));
      else give(connectTls({ ...tls, socket: raw, ...(isIP(host) === 0 && { servername: host }) }));
    });
    raw.write(tlsRequest);
  });

export interface SocketOptions {
  readonly tls: ServerTls | false;
  /** Longest silence, in ms, of a server that owes an answer; without it, as long as the connection stands. */
  readonly silentMs?: number | undefined;
}

/**
 * Opens the driver's connections, so that one which breaks or falls silent fails everything that waits for it, at once and
 * for good. Never rejects: a connection that cannot be made fails as a socket does.
 */
export const socketOpener = ({ tls, silentMs }: SocketOptions): ((wanted: Wanted) => Promise<Socket>) => {
  let attempt = 0;
  return async ({ host: hosts, port: ports, path }) => {
    const turn = attempt % hosts.length;
    attempt += 1;
    const [host = 'localhost', port = 5432] = [hosts[turn], ports[turn]];
    const raw = typeof path === 'string' ? connectTcp({ path }) : connectTcp({ host, port });
    const socket = endingWithFault(tls === false ? raw : await secured(raw, host, tls));
    return silentMs === undefined ? socket : endingWhenSilent(socket, silentMs);
  };
};
