import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { freePort } from '../../test/support/ports.ts';
import { createTestDatabase } from '../../test/support/postgres.ts';
import { startRedis } from '../../test/support/redis.ts';
import { waitFor } from '../../test/support/wait.ts';
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

// Redis says how long it will still load its data for by the bytes read so far: many small commands before a large one make
// that minutes, where it takes two seconds.
it('is used as soon as Redis has loaded its data, whatever it said of the time that takes', async () => {
  const settings = { appendfsync: 'no', 'key-load-delay': '500', 'auto-aof-rewrite-percentage': '0' };
  const redis = await startRedis({ appendonly: true, settings });
  const client = new Redis(redis.url);
  await Promise.all(Array.from({ length: 5000 }, (_, n) => client.set(`small:${n}`, 'x')));
  await client.set('large', Buffer.alloc(64 * 1024 * 1024));
  client.disconnect();
  const store = redisStore(redis.url, '{notafter}', quiet);
  await store.check();
  const loaded = redis.restart();
  await waitFor(async () => (await store.afresh().then(String, String)).includes('LOADING'), { what: 'Redis to load' });
  await loaded;
  const memory = await waitFor(() => store.memory(), { timeoutMs: 3000, what: 'the queues to answer again' });
  expect(memory).toBe('doubtful');
  await store.close();
  await redis.stop();
}, 30_000);
