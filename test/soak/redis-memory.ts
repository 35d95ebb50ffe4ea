import { Redis } from 'ioredis';

const numberIn = (text: string, name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]);

/** Bytes that a Redis uses, and the connections to it without this one. */
export const askRedis = async (url: string): Promise<{ readonly memory: number; readonly clients: number }> => {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3000, lazyConnect: true });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const [memory, clients] = await Promise.all([redis.info('memory'), redis.info('clients')]);
    return { memory: numberIn(memory, 'used_memory'), clients: numberIn(clients, 'connected_clients') - 1 };
  } finally {
    redis.disconnect();
  }
};
