import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One process behind the balancer. */
export interface Backend {
  readonly port: number;
  readonly metricsPort: number;
}

/** A balancing proxy that asks /readyz and never tries a request twice. */
export interface Balancer {
  readonly port: number;
  /** Why requests were answered 502 or 503, and how many for each reason: a process hung up, or none was ready. */
  failed(): Readonly<Record<string, number>>;
  /** How many processes it holds for ready. */
  ready(): number;
  close(): Promise<void>;
}

const checkEveryMs = 50;
// A process that has no time to answer is no worse than another on the same machine.
const checkMs = 5000;

const isReady = ({ metricsPort }: Backend): Promise<boolean> =>
  fetch(`http://127.0.0.1:${metricsPort}/readyz`, { signal: AbortSignal.timeout(checkMs) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );

/** A place behind the balancer: what is known of it, and its own connections. */
const placeOf = (backend: Backend) => {
  const place = { backend, ready: false, agent: new Agent({ keepAlive: true, maxSockets: 256 }) };
  const look = async (): Promise<void> => {
    const ready = await isReady(backend);
    // What is in flight ends on the old connections; the process closes those that idle.
    if (place.ready && !ready) place.agent = new Agent({ keepAlive: true, maxSockets: 256 });
    place.ready = ready;
  };
  return { place, look };
};

/** Starts a proxy over HTTP/1.1 on loopback that gives requests to ready processes in turn. */
export const startBalancer = async (backends: readonly Backend[]): Promise<Balancer> => {
  const all = backends.map(placeOf);
  let turn = 0;
  const failed: Record<string, number> = {};
  const closing = new AbortController();
  const watch = async ({ look }: (typeof all)[number]): Promise<void> => {
    while (!closing.signal.aborted) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, checkEveryMs));
    }
  };
  const refuse = (response: ServerResponse, status: number, why: string): void => {
    failed[why] = (failed[why] ?? 0) + 1;
    if (!response.headersSent) response.writeHead(status, { 'content-length': 0 }).end();
    else response.destroy();
  };
  const pass = (from: IncomingMessage, response: ServerResponse): void => {
    const ready = all.filter(({ place }) => place.ready);
    const chosen = ready[(turn += 1) % Math.max(1, ready.length)];
    if (chosen === undefined) {
      refuse(response, 503, 'none is ready');
      return;
    }
    const { place } = chosen;
    const { method, url: path, headers } = from;
    const target = { host: '127.0.0.1', port: place.backend.port, method, path, headers, agent: place.agent };
    const onward = request(target, (answer) => {
      response.writeHead(answer.statusCode ?? 502, {
        'content-type': answer.headers['content-type'] ?? 'application/json',
        'content-length': answer.headers['content-length'] ?? '0',
      });
      answer.pipe(response);
    });
    onward.on('error', (error) =>
      refuse(response, 502, `${error.message}${onward.reusedSocket ? ', on a kept connection' : ''}`),
    );
    from.pipe(onward);
  };
  await Promise.all(all.map(({ look }) => look()));
  const watching = all.map(watch);
  const server = createServer({ keepAliveTimeout: 60_000 }, pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // listening on TCP
    failed: () => ({ ...failed }),
    ready: () => all.filter(({ place }) => place.ready).length,
    close: async () => {
      closing.abort();
      await Promise.all(watching);
      for (const { place } of all) place.agent.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
};
