import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

type Behaviour = 'accept' | 'slow' | 'refuse' | 'fail' | 'busy' | 'redirect' | 'endless' | 'silent';

/** A webhook receiver that counts what it was sent by the ids that are stable over retries. */
export interface CountingReceiver {
  readonly url: string;
  /** Requests by `webhook-id`, whatever the answer was. */
  readonly deliveries: () => ReadonlyMap<string, number>;
  /** Those of them that were answered 202. */
  readonly taken: () => ReadonlyMap<string, number>;
  /** Ids by what was said: more than one id for one thing said is a broken promise. */
  readonly idsBySubject: () => ReadonlyMap<string, ReadonlySet<string>>;
  /** Ids under which not the same was said each time. */
  readonly altered: () => ReadonlySet<string>;
  /** What it answers from now on. */
  readonly behave: (next: Behaviour) => void;
  readonly close: () => Promise<void>;
}

const slowMs = 3000;

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const pourInto = (response: ServerResponse): void => {
  const pour = (): void => {
    while (!response.destroyed && response.write('x'.repeat(1024)));
  };
  response.on('drain', pour);
  pour();
};

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end('no');

const answers: Readonly<Record<Behaviour, (response: ServerResponse, take: () => void) => void>> = {
  accept: (response, take) => {
    take();
    response.writeHead(202).end();
  },
  slow: (response, take) =>
    void setTimeout(() => {
      if (response.destroyed) return;
      take();
      response.writeHead(202).end();
    }, slowMs),
  refuse: status(404),
  fail: status(500),
  busy: status(429, { 'retry-after': '2' }),
  redirect: status(302, { location: '/elsewhere' }),
  endless: (response) => {
    response.writeHead(500);
    pourInto(response);
  },
  silent: () => undefined,
};

const raise = (counts: Map<string, number>, id: string): void => void counts.set(id, (counts.get(id) ?? 0) + 1);

export const startReceiver = async (): Promise<CountingReceiver> => {
  const deliveries = new Map<string, number>();
  const taken = new Map<string, number>();
  const subjects = new Map<string, Set<string>>();
  const said = new Map<string, string>();
  const altered = new Set<string>();
  const sockets = new Set<Socket>();
  let behaviour: Behaviour = 'accept';
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const id = `${request.url} ${String(request.headers['webhook-id'])}`;
    const subject = `${request.url} ${createHash('sha256').update(body).digest('base64')}`;
    raise(deliveries, id);
    subjects.set(subject, (subjects.get(subject) ?? new Set<string>()).add(id));
    if ((said.get(id) ?? subject) !== subject) altered.add(id);
    said.set(id, subject);
    answers[behaviour](response, () => raise(taken, id));
  };
  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listening on TCP
    deliveries: () => deliveries,
    taken: () => taken,
    idsBySubject: () => subjects,
    altered: () => altered,
    behave: (next) => (behaviour = next),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};
