import { describe, expect, it, onTestFinished } from 'vitest';
import { openQueues } from '../../src/queues/open.ts';
import { stores } from '../support/stores.ts';

describe.each(Object.entries(stores))('looks in %s', (_, open) => {
  it('that somebody asks for go before all that sweeps have queued', async () => {
    const { store, close } = await open();
    const queue = await store.queue('probes', {});
    const queues = openQueues(store, 3);
    onTestFinished(async () => {
      await queues.close();
      await queue.close();
      await store.close();
      await close();
    });
    await queues.enqueueProbes(['swept first'], false);
    await queues.enqueueProbes(['swept second'], false);
    await queues.enqueueProbes(['asked'], true);
    expect(await queues.unfinishedProbes()).toBe(3);
    const waiting = await queue.getJobs(['waiting'], 0, -1, true);
    expect(waiting.map(({ data }) => data)).toEqual([
      { ids: ['asked'], asked: true },
      { ids: ['swept first'], asked: false },
      { ids: ['swept second'], asked: false },
    ]);
  });

  it('that a worker has in hand count as unfinished like those that wait', async () => {
    const { store, close } = await open();
    const queues = openQueues(store, 3);
    const [taken, done] = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()];
    const worker = store.worker(
      'probes',
      async () => {
        taken.resolve(null);
        await done.promise;
      },
      { concurrency: 1 },
    );
    onTestFinished(async () => {
      done.resolve(null);
      await worker.close();
      await queues.close();
      await store.close();
      await close();
    });
    await queues.enqueueProbes(['in hand'], false);
    await taken.promise;
    await queues.enqueueProbes(['waits'], false);
    expect(await queues.unfinishedProbes()).toBe(2);
  });
});
