import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { DialError, faultOf } from './dial.ts';

/**
 * TLS over an open connection, with the name in SNI and checked against the certificate. On failure, or when the signal is
 * raised, the connection is destroyed.
 *
 * @param host the receiver's name or address. @param trustedCas PEM; undefined: those of the system.
 */
export const secure = async (
  socket: Socket,
  host: string,
  trustedCas: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> => {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const name = host.replace(/^\[(.*)\]$/, '$1');
  const tls = connect({
    socket,
    host: name,
    ...(isIP(name) === 0 && { servername: name.replace(/\.$/, '') }),
    ALPNProtocols: ['http/1.1'],
    ...(trustedCas && { ca: [...trustedCas] }),
  });
  const give = (message: string): void => {
    reject(new DialError(message));
    tls.destroy();
    socket.destroy();
  };
  const abort = (): void => give('no TLS handshake within the time for one try');
  tls.once('error', (error) => give(`no TLS${faultOf(error)}`));
  tls.once('close', () => give('no TLS: the connection was closed'));
  tls.once('secureConnect', () => resolve(tls));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
  }
};
