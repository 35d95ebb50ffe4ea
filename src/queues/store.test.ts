import { expect, it } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { createTestDatabase } from '../../test/support/postgres.ts';
import { startRedis } from '../../test/support/redis.ts';
import { postgresStore, redisStore } from './store.ts';

const quiet = (): void => undefined;

it('is asked afresh over connections of their own, in PostgreSQL', async () => {
  const database = await createTestDatabase({ empty: true });
  const store = postgresStore(database.url, 1, quiet);
  await expect(store.afresh()).resolves.toBeDefined();
  await store.close();
  await database.drop();
  await expect(store.afresh()).rejects.toThrow('does not exist');
  const away = postgresStore(`postgres://postgres@127.0.0.1:${await freePort()}/nothing`, 1, quiet);
  await expect(away.afresh()).rejects.toThrow('ECONNREFUSED');
  await away.close();
});

it('is asked afresh over connections of their own, in Redis', async () => {
  const redis = await startRedis();
  const store = redisStore(redis.url, '{notafter}', quiet);
  // What was opened first is closed: the new one is answered all the same.
  await store.close();
  await expect(store.memory()).rejects.toThrow('closed');
  await expect(store.afresh()).resolves.toBeDefined();
  await redis.stop();
  await expect(store.afresh()).rejects.toThrow('closed');
});
