import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario, World, WorldRedis } from '../scenario.ts';
import { untilCaughtUp, untilKnown, untilNewIsApplied } from './common.ts';

const redisOf = ({ redis }: World): WorldRedis => {
  if (redis === null) throw new Error('the world has no Redis');
  return redis;
};

// Far less than can be applied, so that what is measured is the recovery and not the work that has piled up.
const load = { rate: 80, senders: 16 };

/** Notes how long it took from now until the first event was applied, until all was queued again, and until nothing of before was left. */
const recovered = async (world: World, after: string, first: (since: number) => Promise<number>): Promise<void> => {
  const since = Date.now();
  world.measured(`s from ${after} until events were applied`, (await first(since)) / 1000, 's');
  world.measured(`s from ${after} until all was queued again`, (await untilKnown(world, since)) / 1000, 's');
  world.measured(`s from ${after} until all of before was applied`, (await untilCaughtUp(world, since)) / 1000, 's');
};

const withinSeconds =
  (limit: number, after: string, until: string) =>
  async (world: World): Promise<void> => {
    const slow = world.figures.find(({ what, value }) => what === `s from ${after} until ${until}` && value > limit);
    if (slow !== undefined) throw new Error(`${slow.what}: ${slow.value} s, more than ${limit}`);
  };

const back = 'Redis back';

const redisKilled: Scenario = {
  row: 5,
  name: 'redis-killed',
  title: 'Redis is killed and comes back after 1, 10 and 60 seconds',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive({ ...load, unresolved: 0.01 });
    for (const seconds of [1, 10, 60]) {
      await drive.untilAccepted(drive.accepted() + 200);
      await redis.kill9();
      world.say(`Redis is away for ${seconds} s`);
      await sleep(1000 * seconds);
      await redis.restart();
      await recovered(world, back, (since) => world.untilApplying(since));
    }
    await drive.untilAccepted(drive.accepted() + 200);
  },
  expect: withinSeconds(5, back, 'events were applied'),
};

const redisRolledBack: Scenario = {
  row: 6,
  name: 'redis-rolled-back',
  title: 'Redis is restored from an older copy of its append-only file',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive({ ...load, unresolved: 0.02 });
    const copies: string[] = [];
    for (let round = 1; round <= 3; round += 1) {
      await drive.untilAccepted(drive.accepted() + 200);
      copies.push(await redis.snapshot());
      await drive.untilAccepted(drive.accepted() + 200);
      // The last one goes back to the very first.
      await redis.rollBack((round === 3 ? copies[0] : copies.at(-1)) ?? '');
      await recovered(world, back, (since) => world.untilApplying(since));
    }
    await drive.untilAccepted(drive.accepted() + 200);
  },
  expect: withinSeconds(5, back, 'events were applied'),
};

/** Deletes a share of all keys, whatever they are. */
const deleteSome = async (world: World, share: number): Promise<number> => {
  const redis = redisOf(world);
  const keys: string[] = [];
  let cursor = '0';
  do {
    // What SCAN answers: the next cursor and the keys.
    const [next, found] = (await redis.command('SCAN', cursor, 'COUNT', '1000')) as [string, string[]];
    keys.push(...found);
    cursor = next;
  } while (cursor !== '0');
  const doomed = world.random.shuffle(keys).slice(0, Math.ceil(keys.length * share));
  if (doomed.length > 0) await redis.command('DEL', ...doomed);
  return doomed.length;
};

const flushed = 'FLUSHALL';

const redisEmptied: Scenario = {
  row: 7,
  name: 'redis-emptied',
  title: 'FLUSHALL while idle and under load, and keys deleted at random',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive({ ...load, unresolved: 0.02 });
    for (let round = 1; round <= 2; round += 1) {
      await drive.untilAccepted(drive.accepted() + 200);
      await redis.command('FLUSHALL');
      await recovered(world, flushed, (since) => untilNewIsApplied(world, since));
    }
    for (const share of [0.1, 0.4, 0.8]) {
      await drive.untilAccepted(drive.accepted() + 200);
      world.say(`${await deleteSome(world, share)} keys deleted`);
      const [since, after] = [Date.now(), `the loss of ${share * 100} % of all keys`];
      world.measured(
        `s from ${after} until new events were applied`,
        (await untilNewIsApplied(world, since)) / 1000,
        's',
      );
      world.measured(
        `s from ${after} until all of before was applied`,
        (await untilCaughtUp(world, since)) / 1000,
        's',
      );
    }
    await drive.stop();
    await world.untilSettled();
    await redis.command('FLUSHALL');
    const flushedAt = Date.now();
    const { status } = await world.tell({ domain: world.domains[0] ?? '', eventType: 'renewal_failed' });
    if (status !== 202) throw new Error(`an event was answered ${status}`);
    const ms = await untilNewIsApplied(world, flushedAt);
    world.measured('s from FLUSHALL while idle until new events were applied', ms / 1000, 's');
  },
  expect: withinSeconds(10, flushed, 'all was queued again'),
};

export const queueScenarios: readonly Scenario[] = [redisKilled, redisRolledBack, redisEmptied];
