import type { Socket } from 'node:net';
import type { Verdict } from '../lifecycle/served.ts';
import { alertText } from './alerts.ts';
import { clientHello } from './client-hello.ts';
import { type Fault, seconds, socketFault } from './connection.ts';
import { startDeadline } from './deadline.ts';
import type { HelloOutcome } from './hello-messages.ts';
import { HelloReader } from './hello-reader.ts';

/**
 * The leaf a server presents. `needs_full`: this server can only be read by a full handshake, which also says what is wrong, if
 * anything is.
 */
export type Fetched = { readonly leaf: Buffer } | 'needs_full' | Fault;

const fault = (verdict: Verdict, error: string): Fault => ({ verdict, error });
const unrecognizedName = 112;
const tls12 = 0x0303;

const fromOutcome = (outcome: HelloOutcome): Fetched => {
  switch (outcome.kind) {
    case 'certificates':
      // An older version is for the full handshake to refuse.
      return outcome.version === tls12 ? { leaf: outcome.chain[0] } : 'needs_full';
    case 'alert':
      // Any other alert may only mean that this hello was not to the server's liking.
      return outcome.description === unrecognizedName
        ? fault('tls_alert', alertText(outcome.description))
        : 'needs_full';
    case 'unreadable':
    case 'malformed':
      return 'needs_full';
    case 'not_tls':
      return fault('not_tls', notTls(outcome.http));
    case 'oversized':
      return fault('oversized', 'the server sends more than 256 KiB without coming to its certificate');
  }
};

/** How a server that does not speak TLS is described. */
export const notTls = (http: boolean): string =>
  http ? 'the server answers in plain HTTP' : 'the server does not answer in TLS';

/**
 * Reads the certificate a server presents to a TLS 1.2 hello, and leaves the handshake unfinished: nothing is proven but that the
 * server sends it.
 *
 * @param socket connected; read from here on by nobody else.
 */
export const fetchLeaf = async (socket: Socket, name: string, timeoutMs: number): Promise<Fetched> => {
  const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
  const reader = new HelloReader();
  const onEnd = (): void => {
    const meant = reader.end();
    resolve(meant === null ? 'needs_full' : fromOutcome(meant));
  };
  const onError = (error: Error): void => {
    try {
      const { verdict, error: text } = socketFault(error);
      resolve(verdict === 'closed' ? 'needs_full' : fault(verdict, text));
    } catch (ours) {
      reject(ours);
    }
  };
  const onData = (chunk: Buffer): void => {
    const outcome = reader.read(chunk);
    if (outcome === null) return;
    socket.off('data', onData).pause();
    resolve(fromOutcome(outcome));
  };
  const callOff = startDeadline(timeoutMs, () => {
    resolve(fault('handshake_timeout', `the server did not present a certificate within ${seconds(timeoutMs)}`));
  });
  socket.on('data', onData).once('end', onEnd).once('close', onEnd).on('error', onError);
  socket.write(clientHello(name));
  // A dialogue before TLS leaves the socket paused.
  socket.resume();
  try {
    return await promise;
  } finally {
    callOff();
  }
};
