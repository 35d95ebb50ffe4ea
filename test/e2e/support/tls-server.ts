import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:tls';

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A TLS server on loopback whose certificate can be replaced while it runs. */
export interface TlsServer extends AsyncDisposable {
  /** As domains are told to look for it. */
  readonly address: string;
  serve(pair: KeyPair): void;
}

export const startTlsServer = async (pair: KeyPair): Promise<TlsServer> => {
  const sockets = new Set<Socket>();
  const server = createServer(pair);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // listening on TCP
  return {
    address: `127.0.0.1:${port}`,
    serve: ({ cert, key }) => server.setSecureContext({ cert, key }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
