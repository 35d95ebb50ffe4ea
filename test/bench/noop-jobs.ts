// `noop-jobs.ts REDIS_URL`: jobs that do nothing, through BullMQ as the product sets it up; prints their rate as JSON.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { v7 as uuidv7 } from 'uuid';

const count = 30_000;
const atOnce = 1000;

const [url = ''] = process.argv.slice(2);
const connection = new Redis(url, { maxRetriesPerRequest: null });
const queue = new Queue('no-op', { connection });
for (let from = 0; from < count; from += atOnce) {
  await queue.addBulk(
    Array.from({ length: atOnce }, () => ({
      name: 'no-op',
      data: { id: uuidv7() },
      opts: { removeOnComplete: { count: 1000 } },
    })),
  );
}
const { promise, resolve } = Promise.withResolvers<void>();
let done = 0;
let started = 0;
const before = process.cpuUsage();
const worker = new Worker(
  'no-op',
  () => {
    if (done === 0) started = performance.now();
    done += 1;
    if (done === count) resolve();
    return Promise.resolve();
  },
  { connection: new Redis(url, { maxRetriesPerRequest: null }), concurrency: 100 },
);
await promise;
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ 'events/s': count / seconds, 'worker µs': (user + system) / count }));
await worker.close();
await queue.close();
process.exit(0);
