import { Socket, type TcpSocketConnectOpts } from 'node:net';
import type { StarttlsProtocol, Verdict } from '../lifecycle/served.ts';
import type { AddressGuard } from '../net/address-guard.ts';
import { startDeadline } from './deadline.ts';
import { startDialogue } from './starttls.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Why a connection gave no certificate; the error is a sentence without a full stop. */
export interface Fault {
  readonly verdict: Verdict;
  readonly error: string;
}

/** What all connections of a prober share. */
export interface Wiring {
  readonly guard: AddressGuard;
  /** Sockets in use, so that closing the prober can end them. */
  readonly sockets: Set<Socket>;
  /** Aborted when the prober closes: no connection is begun any more. */
  readonly closing: AbortSignal;
}

const closed: Fault = { verdict: 'closed', error: 'the server closed the connection' };
const faults: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: { verdict: 'connection_refused', error: 'the address refuses connections on this port' },
  ECONNRESET: closed,
  EPIPE: closed,
  ECONNABORTED: closed,
  ETIMEDOUT: { verdict: 'connect_timeout', error: 'the address did not answer in time' },
};
const unreachable = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENONET']);
const refusedHere = new Set(['EACCES', 'EPERM']);

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');

/**
 * What a socket's error says of the server.
 *
 * @throws the error itself when it is ours (no descriptors, no ports): nothing is known of the server then.
 */
export const socketFault = (error: Error): Fault => {
  const code = codeOf(error);
  const fault = faults[code];
  if (fault !== undefined) return fault;
  if (unreachable.has(code)) return { verdict: 'unreachable', error: 'no route leads to the address' };
  if (refusedHere.has(code)) return { verdict: 'unreachable', error: 'this machine may not connect to the address' };
  throw error;
};

/** Ends a connection with a reset: nothing lingers in TIME_WAIT. */
export const endSocket = (socket: Socket): void => {
  if (!socket.destroyed) socket.resetAndDestroy();
};

/** The address of a peer is compared as text first; only another spelling of it needs to be vetted again. */
const isVetted = (socket: Socket, endpoint: Endpoint, guard: AddressGuard): boolean => {
  const peer = socket.remoteAddress;
  return peer !== undefined && (peer === endpoint.address || guard(peer) === null);
};

/**
 * Connects to a vetted address; no name is resolved here. The caller ends the socket.
 *
 * @throws Error for faults of this machine, as {@link socketFault} does.
 */
export const connect = async (endpoint: Endpoint, timeoutMs: number, wiring: Wiring): Promise<Socket | Fault> => {
  if (wiring.closing.aborted) return closed;
  const socket = new Socket();
  wiring.sockets.add(socket);
  const { promise, resolve } = Promise.withResolvers<Error | 'connected' | 'late' | 'closed'>();
  const callOff = startDeadline(timeoutMs, () => resolve('late'));
  socket.on('error', resolve).once('close', () => {
    wiring.sockets.delete(socket);
    resolve('closed');
  });
  const options: TcpSocketConnectOpts = {
    host: endpoint.address,
    port: endpoint.port,
    autoSelectFamily: false,
  };
  socket.connect(options, () => resolve('connected'));
  const end = await promise;
  callOff();
  if (end === 'connected' && isVetted(socket, endpoint, wiring.guard)) return socket;
  endSocket(socket);
  if (end === 'late') return { verdict: 'connect_timeout', error: `no connection within ${seconds(timeoutMs)}` };
  if (end === 'connected') return { verdict: 'address_refused', error: 'the connection led to another address' };
  return end === 'closed' ? closed : socketFault(end);
};

/** `2.5 s`, for messages. */
export const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

/**
 * Takes the dialogue before TLS to its end. Afterwards the next byte from the server belongs to TLS.
 *
 * @returns null, or why TLS cannot begin.
 */
export const startTls = (socket: Socket, protocol: StarttlsProtocol, timeoutMs: number): Promise<Fault | null> => {
  const { promise, resolve } = Promise.withResolvers<Fault | null>();
  const dialogue = startDialogue(protocol);
  const fail = (error: string): void => resolve({ verdict: 'starttls_failed', error });
  const callOff = startDeadline(timeoutMs, () => fail(`the server did not come to TLS within ${seconds(timeoutMs)}`));
  const onData = (chunk: Buffer): void => {
    const step = dialogue.read(chunk);
    if (step.kind === 'send') socket.write(step.bytes);
    if (step.kind === 'failed') fail(step.error);
    if (step.kind === 'ready') resolve(null);
    if (step.kind === 'ready' || step.kind === 'failed') socket.pause();
  };
  const onEnd = (): void => fail('the server closed the connection before TLS');
  socket.on('data', onData).once('close', onEnd).once('end', onEnd);
  if (dialogue.opening !== null) socket.write(dialogue.opening);
  return promise.finally(() => {
    callOff();
    socket.off('data', onData).off('close', onEnd).off('end', onEnd);
  });
};
