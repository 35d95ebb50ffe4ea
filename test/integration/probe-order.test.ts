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
});
