import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { messageOf, StartError } from '../errors.ts';
import type { HttpEnv } from './env.ts';

const mostConnections = 10_000;
// Long uploads pace themselves: their route ends them when nothing comes for a while.
const streams = (url: string | undefined): boolean => /^\/v1\/[\w/]*\/import(?:\?|$)/.test(url ?? '');

// They never end by themselves; their clients come back by themselves.
const isEndless = (url: string | undefined): boolean => /\/console\/live(?:\?|$)/.test(url ?? '');

export interface HttpServer {
  readonly port: number;
  /** Tells every client to go elsewhere, answers what is in flight, closes; after `deadlineMs` it hangs up. */
  readonly drain: (deadlineMs: number) => Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Name of the variable that sets the port, for the error message. */
  readonly variable: string;
  /** Milliseconds of a clock that only goes forward. */
  readonly elapsed: () => number;
  /** Longest time for the head of a request, in ms. */
  readonly headersMs?: number;
  /** Longest time for the body that follows it, in ms; imports are exempt. */
  readonly requestMs?: number;
}

const bind = (server: Server, { host, port, variable }: ListenOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = 'code' in error ? error.code : null;
      const why =
        code === 'EADDRINUSE'
          ? 'is in use'
          : code === 'EACCES'
            ? 'may not be opened by this user'
            : `cannot be opened (${messageOf(error)})`;
      reject(new StartError(`port ${port} ${why}: set ${variable} to another`));
    });
    server.listen(port, host, resolve);
  });

/** Cuts off senders that take longer for a body than `requestMs`, however steadily they drip. */
const watchUploads = (server: Server, elapsed: () => number, requestMs: number): { stop: () => void } => {
  const open = new Map<IncomingMessage, number>();
  const fresh: { readonly request: IncomingMessage; readonly since: number }[] = [];
  // Most bodies came with their head and are whole by now. To keep those as well would carry thousands of requests past the
  // collections of the young generation.
  const sift = (): void => {
    for (const { request, since } of fresh.splice(0)) {
      if (!request.complete) open.set(request, since);
    }
  };
  server.prependListener('request', (request: IncomingMessage) => {
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    if (!hasBody || streams(request.url)) return;
    if (fresh.push({ request, since: elapsed() }) === 1) setImmediate(sift);
  });
  const timer = setInterval(() => {
    const oldest = elapsed() - requestMs;
    for (const [request, since] of open) {
      if (request.complete || request.destroyed) open.delete(request);
      else if (since < oldest) {
        open.delete(request);
        request.socket.destroy();
      }
    }
  }, requestMs / 30);
  return { stop: () => clearInterval(timer) };
};

/** Serves an app over HTTP/1.1 with strict limits on time and connections. */
export const listen = async (app: Hono<HttpEnv>, options: ListenOptions): Promise<HttpServer> => {
  const { headersMs = 5000, requestMs = 15_000 } = options;
  const serverOptions = {
    headersTimeout: headersMs,
    requestTimeout: 0,
    connectionsCheckingInterval: headersMs / 10,
    keepAliveTimeout: 65_000,
  };
  // Without http2 or TLS options this is node:http's Server.
  const server = createAdaptorServer({ fetch: (request, env) => app.fetch(request, env), serverOptions }) as Server;
  server.maxConnections = mostConnections;
  let draining = false;
  const endless = new Set<ServerResponse>();
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    if (draining) response.setHeader('Connection', 'close');
    if (!isEndless(request.url)) return;
    endless.add(response);
    response.once('close', () => endless.delete(response));
  });
  const uploads = watchUploads(server, options.elapsed, requestMs);
  await bind(server, options);
  server.on('error', () => server.closeAllConnections());
  // A bound TCP server's address is an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    drain: async (deadlineMs) => {
      draining = true;
      for (const response of endless) response.destroy();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const hangUp = setInterval(() => server.closeIdleConnections(), 50);
      await Promise.race([closed, sleep(deadlineMs, undefined, { ref: false })]);
      clearInterval(hangUp);
      server.closeAllConnections();
      uploads.stop();
    },
  };
};
