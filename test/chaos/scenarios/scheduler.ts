import { setTimeout as sleep } from 'node:timers/promises';
import { type JobQueue, postgresStore, redisStore } from '../../../src/queues/store.ts';
import type { Scenario, World } from '../scenario.ts';
import { untilSwept } from './time.ts';

/** The queue of what runs by the clock, past the proxies. */
const withMaintenance = async (world: World, work: (queue: JobQueue) => Promise<unknown>): Promise<void> => {
  const ignore = (): void => undefined;
  const store =
    world.redis === null
      ? postgresStore(world.postgres.server.url, 2, ignore)
      : redisStore(world.redis.server.url, '{notafter}', ignore);
  const queue = await store.queue('maintenance', {});
  try {
    await work(queue);
  } finally {
    await queue.close();
    await store.close();
  }
};

const scheduler: Scenario = {
  row: 26,
  name: 'scheduler',
  title: 'what runs by the clock is deleted, doubled and paused',
  run: async (world) => {
    const drive = await world.drive({ rate: 80, domains: world.domains.slice(1) });
    await drive.untilAccepted(100);
    for (let round = 0; round < 3; round += 1) {
      await withMaintenance(world, (queue) => queue.obliterate({ force: true }));
      world.measured(
        's until sweeps ran again after all schedules were deleted',
        (await untilSwept(world)) / 1000,
        's',
      );
      await drive.untilAccepted(drive.accepted() + 100);
    }
    const jobs = ['settle-domains', 'compact-counts', 'self-watch', 'replay-run', 'dlq-policy'];
    await withMaintenance(world, async (queue) => {
      for (const name of jobs)
        for (const copy of [1, 2, 3])
          await queue.upsertJobScheduler(
            `${name}-${copy}`,
            { every: 250 },
            { name, data: {}, opts: { removeOnComplete: true } },
          );
    });
    world.say('each sweep runs many times a second, in several copies');
    await drive.untilAccepted(drive.accepted() + 800);
    await withMaintenance(world, (queue) => queue.obliterate({ force: true }));
    world.measured('s until sweeps ran after they were doubled', (await untilSwept(world)) / 1000, 's');
    await withMaintenance(world, (queue) => queue.pause());
    world.say('the queue of sweeps is paused for 20 s');
    await sleep(20_000);
    await withMaintenance(world, (queue) => queue.resume());
    world.measured('s until sweeps ran again after a pause', (await untilSwept(world)) / 1000, 's');
    await drive.untilAccepted(drive.accepted() + 100);
  },
};

export const schedulerScenarios: readonly Scenario[] = [scheduler];
