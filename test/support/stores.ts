import { prepareQueueSchema } from '../../src/queues/queue-schema.ts';
import { postgresStore, redisStore, type Store } from '../../src/queues/store.ts';
import { createTestDatabase } from './postgres.ts';
import { startRedis } from './redis.ts';

const ignore = (): void => undefined;

/** A queue store of each kind, on a server or database of its own. */
export const stores: Readonly<Record<string, () => Promise<{ store: Store; close: () => Promise<unknown> }>>> = {
  redis: async () => {
    const server = await startRedis();
    return { store: redisStore(server.url, '{notafter}', ignore), close: () => server.stop() };
  },
  postgres: async () => {
    const database = await createTestDatabase();
    await prepareQueueSchema(database.url);
    return { store: postgresStore(database.url, 2, ignore), close: () => database.drop() };
  },
};

/** What a queue says of a job that is done: PostgreSQL does not keep it. */
export const doneState = { redis: 'completed', postgres: 'unknown' } as const;
