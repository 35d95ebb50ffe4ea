import type { Scenario, World, WorldRedis } from '../scenario.ts';
import { mustAccept, mustApply, repeatedly, spell, untilReadiness } from './spells.ts';

const second = 1000;

const redisOf = (world: World): WorldRedis => {
  if (world.redis === null) throw new Error('the world has no Redis');
  return world.redis;
};

const usedMemory = async (redis: WorldRedis): Promise<number> =>
  Number(/^used_memory:(\d+)/m.exec(String(await redis.command('INFO', 'memory')))?.[1]);

const load = { rate: 100, senders: 16 };

const redisFull: Scenario = {
  row: 8,
  name: 'redis-full',
  title: 'Redis is out of memory and refuses whatever would add to it',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive(load);
    await drive.untilAccepted(300);
    for (const headroom of [0, 300_000]) {
      const answers = await spell(drive, 12 * second, async () =>
        redis.command('CONFIG', 'SET', 'maxmemory', String((await usedMemory(redis)) + headroom)),
      );
      mustAccept(world, 'with Redis out of memory', answers);
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      await mustApply(world, 'with Redis out of memory', Date.now(), 10 * second);
    }
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

const wrongPolicy: Scenario = {
  row: 9,
  name: 'redis-evicts',
  title: 'somebody sets Redis to evict keys while it runs, and it does',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const [worker] = world.workers;
    if (worker === undefined) throw new Error('the world has no worker');
    const drive = await world.drive(load);
    await drive.untilAccepted(300);
    for (const policy of ['allkeys-lru', 'allkeys-random']) {
      const since = Date.now();
      const answers = await spell(drive, 5 * second, async () => {
        await redis.command('CONFIG', 'SET', 'maxmemory-policy', policy);
        await redis.command('CONFIG', 'SET', 'maxmemory', String(Math.round(0.8 * (await usedMemory(redis)))));
      });
      mustAccept(world, 'with Redis evicting keys', answers);
      const told = await untilReadiness(worker, false);
      world.measured('s until a worker told of the eviction policy', (Date.now() - since) / second, 's');
      if (!told.includes('noeviction')) throw new Error(`a worker does not say what to do: ${told}`);
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      await untilReadiness(worker, true);
      await mustApply(world, 'after evictions', Date.now(), 10 * second);
    }
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

const redisUnreachable: Scenario = {
  row: 10,
  name: 'redis-unreachable',
  title: 'Redis is refused, blackholed for a minute, half-open either way, and connections to it are stranded',
  backends: ['redis'],
  run: async (world) => {
    const { proxy } = redisOf(world);
    const drive = await world.drive(load);
    await drive.untilAccepted(300);
    // For how long (s), and how soon events are applied again after it (s): what was on its way either way comes out of order.
    const faults: readonly [string, number, number, () => void][] = [
      ['with Redis refused', 10, 5, () => proxy.refuse()],
      ['with Redis blackholed', 60, 5, () => proxy.blackhole()],
      ['with nothing reaching Redis', 20, 10, () => proxy.halfOpen('to-server')],
      ['with nothing coming from Redis', 20, 10, () => proxy.halfOpen('to-client')],
    ];
    for (const [what, seconds, limit, begin] of faults) {
      mustAccept(world, what, await spell(drive, seconds * second, begin));
      proxy.heal();
      await mustApply(world, what, Date.now(), limit * second);
      await drive.untilAccepted(drive.accepted() + 100);
    }
    // Nobody tells of these connections: processes have to find out that they lead nowhere.
    const since = Date.now();
    mustAccept(world, 'with stranded connections to Redis', await spell(drive, 5 * second, () => proxy.strand()));
    await mustApply(world, 'with stranded connections to Redis', since + second, 25 * second);
    for (const worker of world.workers) await untilReadiness(worker, true);
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

const redisSlow: Scenario = {
  row: 11,
  name: 'redis-slow',
  title: 'Redis is slow, pauses its clients, and cuts them off again and again',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive(load);
    await drive.untilAccepted(300);
    mustAccept(world, 'with Redis slow', await spell(drive, 15 * second, () => redis.proxy.slow(100, 200)));
    redis.proxy.heal();
    await mustApply(world, 'with Redis slow', Date.now(), 5 * second);
    for (const seconds of [3, 12]) {
      const pause = () => redis.command('CLIENT', 'PAUSE', String(seconds * second), 'ALL');
      mustAccept(world, 'with clients of Redis paused', await spell(drive, seconds * second, pause));
      await mustApply(world, 'with clients of Redis paused', Date.now(), 5 * second);
    }
    const cut = () => redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    mustAccept(world, 'with clients of Redis cut off', await spell(drive, 0, () => repeatedly(15 * second, 200, cut)));
    await mustApply(world, 'with clients of Redis cut off', Date.now(), 5 * second);
    redis.proxy.drop(0.3, 4000);
    mustAccept(world, 'with connections to Redis that break', await spell(drive, 15 * second, () => undefined));
    redis.proxy.heal();
    await mustApply(world, 'with connections to Redis that break', Date.now(), 5 * second);
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

export const redisScenarios: readonly Scenario[] = [redisFull, wrongPolicy, redisUnreachable, redisSlow];
