import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalog } from '../../src/queues/catalog.ts';
import { openQueues } from '../../src/queues/open.ts';
import type { JobQueue, Store } from '../../src/queues/store.ts';
import { stores } from '../support/stores.ts';

const name = 'settle-domains';
const every = catalog.maintenance[name].everyMs;

describe.each(Object.entries(stores))('schedules in %s', (_, open) => {
  let store: Store;
  let close: () => Promise<unknown>;
  let queue: JobQueue;
  beforeAll(async () => {
    ({ store, close } = await open());
    queue = await store.queue('maintenance', {});
  });
  afterAll(async () => {
    await queue.close();
    await store.close();
    await close();
  });
  const next = async (): Promise<number | undefined> =>
    (await queue.getJobSchedulers()).find(({ key }) => key === name)?.next;

  it('come round soon although a clock that was an hour ahead has put them there', async () => {
    const queues = openQueues(store, 3);
    const before = Date.now();
    await queue.upsertJobScheduler(name, { every, startDate: before + 3_600_000 }, { name, data: {} });
    expect(await next()).toBeGreaterThan(before + 3_000_000);
    await queues.schedule();
    expect(await next()).toBeLessThanOrEqual(Date.now() + every);
    const jobs = await queue.getJobs(['waiting', 'delayed', 'prioritized']);
    expect(jobs.filter((job) => job.name === name)).toHaveLength(1);
    await queues.close();
  });

  it('keep their place when they are made again', async () => {
    const queues = openQueues(store, 3);
    await queues.schedule();
    const first = await next();
    await queues.schedule();
    expect(await next()).toBe(first);
    await queues.close();
  });
});
