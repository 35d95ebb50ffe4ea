import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.ts';
import type { Ctx } from '../../src/context.ts';
import { connectDb, type Db } from '../../src/db/client.ts';
import { createApp } from '../../src/http/app.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { listen, type ListenOptions } from '../../src/http/server.ts';
import { signEvent } from '../../src/lifecycle/signature.ts';
import { createMetrics } from '../../src/metrics.ts';
import { RecordingQueues } from './api.ts';

export const ingestPath = '/v1/domains/cert-events';
export const ingestToken = 'ingest-token-of-the-test';
export const secret = 'first secret with = and ünïcode';

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface IngestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export interface PostOptions {
  /** Added to the token and the content type; undefined takes one of them away. */
  readonly headers?: Headers;
  /** Sent as chunks of unknown total length. */
  readonly chunked?: boolean;
}

export interface TestIngest {
  readonly port: number;
  readonly db: Db;
  readonly ctx: Ctx;
  readonly queues: RecordingQueues;
  /** Moves the clock the server reads (epoch ms). */
  setNow(now: number): void;
  /** Sends a body to ingest: an object as JSON, a string or bytes as they are. */
  post(body: unknown, options?: PostOptions): Promise<IngestAnswer>;
  /** Rows of every table. */
  countRows(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

export interface TestIngestOptions extends Partial<Pick<ListenOptions, 'headersMs' | 'requestMs'>> {
  readonly databaseUrl: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The clock at the start; without it the real one. */
  readonly now?: number;
}

const bytesOf = (body: unknown): Buffer =>
  body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

const exchange = (
  agent: Agent,
  port: number,
  bytes: Buffer,
  { headers = {}, chunked = false }: PostOptions,
): Promise<IngestAnswer> =>
  new Promise((resolve, reject) => {
    const all: Headers = {
      'content-type': 'application/json',
      'x-cert-event-token': ingestToken,
      ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(bytes.length) }),
      ...headers,
    };
    const outgoing = request({ agent, port, host: '127.0.0.1', method: 'POST', path: ingestPath }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        // Every answer of ingest is a JSON object.
        const body = JSON.parse(text) as Readonly<Record<string, unknown>>;
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body, text });
      });
    });
    outgoing.on('error', reject);
    for (const [name, value] of Object.entries(all)) if (value !== undefined) outgoing.setHeader(name, value);
    if (!chunked) {
      outgoing.end(bytes);
      return;
    }
    for (let start = 0; start < bytes.length; start += 16_384) outgoing.write(bytes.subarray(start, start + 16_384));
    outgoing.end();
  });

/** The whole API as it runs in production, on a database and a port of its own; queues are recorded. */
export const startIngest = async (options: TestIngestOptions): Promise<TestIngest> => {
  const { databaseUrl, env = {}, headersMs, requestMs } = options;
  const db = connectDb(databaseUrl, { max: 12, name: 'ingest' });
  const queues = new RecordingQueues();
  let clock = options.now;
  const ctx: Ctx = {
    config: parseConfig({ CERT_EVENT_INGEST_TOKEN: ingestToken, ...env }, () => ''),
    db,
    queues,
    log: pino({ level: 'silent' }),
    metrics: createMetrics(),
    now: () => clock ?? Date.now(),
    elapsed: () => performance.now(),
    resolveTxt: () => Promise.resolve([]),
  };
  const sink = ingestSink(ctx);
  const server = await listen(
    createApp(ctx, sink, () => Promise.resolve({ ready: true, checks: {} })),
    {
      host: '127.0.0.1',
      port: 0,
      variable: 'PORT',
      elapsed: () => performance.now(),
      ...(headersMs !== undefined && { headersMs }),
      ...(requestMs !== undefined && { requestMs }),
    },
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  return {
    port: server.port,
    db,
    ctx,
    queues,
    setNow: (now) => {
      clock = now;
    },
    post: (body, call = {}) => exchange(agent, server.port, bytesOf(body), call),
    countRows: async () => {
      const tables = await db.sql<{ name: string }[]>`
        select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`;
      const counts: Record<string, number> = {};
      for (const { name } of tables) {
        const [row] = await db.sql<{ n: number }[]>`select count(*)::int as n from ${db.sql(name)}`;
        counts[name] = row?.n ?? -1;
      }
      return counts;
    },
    close: async () => {
      agent.destroy();
      await server.drain(100);
      await sink.drain();
      await db.close();
    },
  };
};

/** The body of an event that is accepted, with an identity of its own. */
export const eventBody = (fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  source: 'certbot',
  clusterId: 'eu-1',
  sourceEventId: randomUUID(),
  domain: 'shop.example.com',
  eventType: 'renewal_succeeded',
  ...fields,
});

export interface SignOptions {
  readonly at: number;
  readonly key?: string;
  /** Who signs, `certbot` in `eu-1` unless given; undefined leaves the header away. */
  readonly source?: string | undefined;
  readonly cluster?: string | undefined;
}

/** Headers that sign these bytes at a moment (epoch ms). */
export const signed = (body: unknown, options: SignOptions): Record<string, string | undefined> => {
  const timestamp = String(Math.floor(options.at / 1000));
  return {
    'x-cert-source': 'source' in options ? options.source : 'certbot',
    'x-cert-cluster': 'cluster' in options ? options.cluster : 'eu-1',
    'x-cert-timestamp': timestamp,
    'x-cert-signature': signEvent(options.key ?? secret, timestamp, bytesOf(body)),
  };
};
