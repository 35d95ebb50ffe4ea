import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** One way in which a receiver can behave, over HTTP and over SMTP. */
export type Behaviour =
  | { readonly kind: 'accept' }
  /** Takes the request and never answers. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Answers without end. */
  | { readonly kind: 'endless'; readonly status: number }
  /** Begins to answer, and then sends a byte now and then. */
  | { readonly kind: 'drip' }
  /** Refuses, and repeats all that it was sent. */
  | { readonly kind: 'echo' }
  | { readonly kind: 'reset' };

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Of the TLS handshake; false without one. */
  readonly servername: string | false;
}

export interface Receiver {
  readonly port: number;
  readonly received: Received[];
  readonly connections: () => number;
  behave(next: Behaviour): void;
  close(): Promise<void>;
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

const pourInto = (response: ServerResponse): void => {
  const pour = (): void => {
    while (!response.destroyed && response.write('x'.repeat(1024)));
  };
  response.on('drain', pour);
  pour();
};

const answers: {
  readonly [K in Behaviour['kind']]: (response: ServerResponse, how: Behaviour, what: Received) => void;
} = {
  accept: (response) => response.writeHead(202, { 'content-type': 'text/plain' }).end('taken\u202E\r\nthank you'),
  silent: () => undefined,
  status: (response, how) => {
    if (how.kind === 'status') response.writeHead(how.status, how.headers).end('no');
  },
  endless: (response, how) => {
    response.writeHead(how.kind === 'endless' ? how.status : 200);
    pourInto(response);
  },
  drip: (response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('x'), 50);
    response.on('close', () => clearInterval(timer));
  },
  echo: (response, _, { path, headers, body }) =>
    response.writeHead(404).end(`Cannot POST ${path} ${JSON.stringify(headers)} ${body}`),
  reset: (response) => response.socket?.resetAndDestroy(),
};

/** A webhook receiver on loopback that behaves as it is told to, and keeps what it was sent. */
export const startReceiver = async (tls?: { readonly key: string; readonly cert: string }): Promise<Receiver> => {
  const sockets = new Set<Socket>();
  const received: Received[] = [];
  let behaviour: Behaviour = { kind: 'accept' };
  let connections = 0;
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { socket } = request;
    const name = 'servername' in socket ? socket.servername : false;
    const servername = typeof name === 'string' ? name : false;
    const one: Received = {
      path: request.url ?? '',
      headers: request.headers,
      body: await bodyOf(request),
      servername,
    };
    received.push(one);
    answers[behaviour.kind](response, behaviour, one);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    take(request, response).catch(() => response.destroy());
  };
  const server = tls === undefined ? createServer(handle) : createSecureServer(tls, handle);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
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
