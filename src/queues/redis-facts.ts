import { Redis } from 'ioredis';

/** What an operator wants to know of a Redis server; read without changing anything. */
export interface RedisFacts {
  readonly version: string;
  /** `maxmemory-policy`; empty where the server does not say. */
  readonly policy: string;
  /** Whether the append-only file is on. */
  readonly appendOnly: boolean;
}

/** Options of a client that trusts these CAs (PEM) alone; none where the system's are trusted. */
export const redisTls = (ca: string | undefined): { readonly tls?: { readonly ca: string } } =>
  ca === undefined ? {} : { tls: { ca } };

/** Asks the server at `url`. Rejects when it does not answer within five seconds. */
export const redisFacts = async (url: string, ca?: string): Promise<RedisFacts> => {
  const client = new Redis(url, {
    ...redisTls(ca),
    lazyConnect: true,
    connectTimeout: 3000,
    commandTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    // Waiting until Redis has loaded its data would know no end.
    enableReadyCheck: false,
  });
  let fault: Error | undefined;
  client.on('error', (error) => {
    fault = error;
  });
  try {
    await client.connect();
    const info = await client.info();
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    return {
      version: field('redis_version'),
      policy: field('maxmemory_policy'),
      appendOnly: field('aof_enabled') === '1',
    };
  } catch (error) {
    // ioredis says only that the connection is closed; why stands in the event before.
    throw fault ?? error;
  } finally {
    client.disconnect();
  }
};
