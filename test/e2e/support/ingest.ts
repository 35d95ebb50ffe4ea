import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request as it came over the wire. */
export interface ReceivedEvent {
  readonly body: Record<string, unknown>;
  readonly raw: string;
  readonly timestamp: number;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A small ingest endpoint that checks token and signature as the wire contract says, and knows identities. */
export interface IngestServer extends AsyncDisposable {
  readonly url: string;
  /** Requests that passed token and signature and were answered 202, in order. */
  readonly accepted: ReceivedEvent[];
  /** All requests, whatever the answer. */
  readonly requests: { count: number };
  /** Overrides the answer to a request that passed every check; undefined keeps the normal one. */
  answer: ((event: ReceivedEvent) => Answer | undefined) | undefined;
}

export interface IngestOptions {
  readonly token: string;
  readonly secret: string;
  readonly source: string;
  readonly cluster: string;
}

export const startIngest = async (options: IngestOptions): Promise<IngestServer> => {
  const known = new Map<string, { eventId: string; raw: string }>();
  const accepted: ReceivedEvent[] = [];
  const requests = { count: 0 };
  const server = createServer((request, response) => {
    requests.count += 1;
    readAll(request).then(
      (raw) => reply(response, decide(request, raw)),
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });

  const decide = (request: IncomingMessage, raw: string): Answer => {
    const problem = checkRequest(request, raw, options);
    if (problem !== undefined) return { status: 401, body: { message: problem } };
    const event = { raw, body: toRecord(JSON.parse(raw)), timestamp: Number(request.headers['x-cert-timestamp']) };
    return ingest.answer?.(event) ?? accept(event);
  };

  const accept = (event: ReceivedEvent): Answer => {
    const id = String(event.body['sourceEventId']);
    const first = known.get(id);
    if (first !== undefined && first.raw !== event.raw) {
      return { status: 409, body: { message: 'Event identity already used with different content' } };
    }
    accepted.push(event);
    const eventId = first?.eventId ?? createHash('sha256').update(id).digest('hex').slice(0, 12);
    known.set(id, { eventId, raw: event.raw });
    return { status: 202, body: { ok: true, eventId, status: 'pending', ...(first && { duplicate: true }) } };
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  const ingest: IngestServer = {
    url: `http://127.0.0.1:${address.port}`,
    accepted,
    requests,
    answer: undefined,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return ingest;
};

const checkRequest = (request: IncomingMessage, raw: string, options: IngestOptions): string | undefined => {
  const header = (name: string): string => String(request.headers[name] ?? '');
  if (request.method !== 'POST' || request.url !== '/v1/domains/cert-events') return 'wrong address';
  if (header('x-cert-event-token') !== options.token) return 'Invalid certificate ingest token';
  if (header('x-cert-source') !== options.source || header('x-cert-cluster') !== options.cluster) {
    return 'Unknown certificate source/cluster identity';
  }
  if (!/^\d+$/.test(header('x-cert-timestamp'))) return 'Invalid certificate timestamp';
  const wanted = createHmac('sha256', options.secret)
    .update(`${header('x-cert-timestamp')}.${raw}`)
    .digest();
  const given = Buffer.from(header('x-cert-signature'), 'hex');
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? undefined : 'Invalid certificate signature';
};

const toRecord = (value: unknown): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null) throw new Error('The body is no object.');
  return { ...value };
};

const readAll = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
};

const reply = (response: ServerResponse, { status, body, headers }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body === undefined ? '' : JSON.stringify(body));
};
