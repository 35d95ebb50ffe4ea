import { Redis } from 'ioredis';
import { Client, type ClientConfig } from 'pg';
import type { redisTls } from './redis-facts.ts';

type OnError = (error: Error) => void;

// A connection that is made to see whether anybody is answered waits no longer than those in use.
const freshMs = 2000;

interface Asking<T> {
  readonly tls: ReturnType<typeof redisTls>;
  readonly ask: (client: Redis) => Promise<T>;
  readonly onError: OnError;
}

/** Asks a Redis over a connection of its own, that is ended after. Rejects when it is not answered in time. */
export const askRedis = async <T>(url: string, { tls, ask, onError }: Asking<T>): Promise<T> => {
  const client = new Redis(url, {
    ...tls,
    connectTimeout: freshMs,
    commandTimeout: freshMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // Waiting until Redis has loaded its data would know no end.
    enableReadyCheck: false,
    lazyConnect: true,
  });
  client.on('error', onError);
  try {
    await client.connect();
    return await ask(client);
  } finally {
    client.disconnect();
  }
};

/** Asks a PostgreSQL for a row over a connection of its own, that is ended after. Rejects when it is not answered in time. */
export const askPostgres = async (where: ClientConfig, onError: OnError): Promise<unknown> => {
  const client = new Client({ ...where, connectionTimeoutMillis: freshMs, query_timeout: freshMs });
  client.on('error', onError);
  try {
    await client.connect();
    return await client.query('select 1');
  } finally {
    // Nobody waits for the server to say goodbye.
    client.end().catch(onError);
  }
};
