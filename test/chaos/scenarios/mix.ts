import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import type { Drive, Replica, Scenario, World } from '../scenario.ts';
import { untilCaughtUp, untilNewIsApplied } from './common.ts';

type Kind = 'api' | 'worker' | 'redis' | 'postgres' | 'rollback' | 'flush' | 'register';

/** What is done once so many events are accepted. */
interface Step {
  readonly at: number;
  /** More than one: at the same time. */
  readonly kinds: readonly Kind[];
}

export interface MixSize {
  readonly events: number;
  /** Kills of processes and servers; rollbacks and flushes of Redis come on top. */
  readonly faults: number;
}

const minute = 60_000;
const mostRate = { redis: 500, postgres: 400 };
const leastDomains = 200;

/** The schedule that a seed gives: kills one by one and now and then two at once, the rest of the faults among them. */
const scheduleOf = (random: Random, { events, faults }: MixSize, redis: boolean): Step[] => {
  const targets = redis ? (['api', 'worker', 'redis', 'postgres'] as const) : (['api', 'worker', 'postgres'] as const);
  const steps: Kind[][] = [];
  for (let kills = 0; kills < faults; kills += 1) {
    const kind = random.pick(targets);
    const last = steps.at(-1);
    if (last?.length === 1 && last[0] !== kind && random.chance(0.25)) last.push(kind);
    else steps.push([kind]);
  }
  const others: Kind[] = ['register', 'register', 'register'];
  if (redis) {
    for (let n = 0; n < Math.ceil(faults / 7); n += 1) others.push('rollback');
    for (let n = 0; n < Math.ceil(faults / 10); n += 1) others.push('flush');
  }
  const all = random.shuffle([...steps, ...others.map((kind) => [kind])]);
  const stride = events / (all.length + 1);
  return all.map((kinds, index) => ({ kinds, at: Math.floor(stride * (index + 0.6 + 0.4 * random.next())) }));
};

interface Play {
  /** Measures, unless another fault stands beside this one. */
  readonly measured: World['measured'];
  readonly world: World;
  readonly drive: Drive;
  /** Copies of the append-only file, oldest first. */
  readonly copies: string[];
  /** Strangers that are not registered yet. */
  readonly strangers: string[];
}

const pickOf = (random: Random, replicas: readonly Replica[]): Replica => {
  const replica = replicas[random.between(0, replicas.length - 1)];
  if (replica === undefined) throw new Error('the world has no such process');
  return replica;
};

const seconds = (ms: number): number => ms / 1000;

const faults: Readonly<Record<Kind, (play: Play, pauseMs: number) => Promise<void>>> = {
  api: async ({ world }, pauseMs) => {
    const api = pickOf(world.random, world.apis);
    await api.kill9();
    await sleep(pauseMs);
    await api.start();
  },
  worker: async ({ world, measured }, pauseMs) => {
    const worker = pickOf(world.random, world.workers);
    const died = Date.now();
    await worker.kill9();
    const again = sleep(pauseMs).then(() => worker.start());
    measured(
      's from the death of a worker until all of before was applied',
      seconds(await untilCaughtUp(world, died)),
      's',
    );
    await again;
  },
  redis: async ({ world, measured }, pauseMs) => {
    await world.redis?.kill9();
    await sleep(pauseMs);
    await world.redis?.restart();
    const ms = await untilNewIsApplied(world, Date.now());
    measured('s from Redis back until new events were applied', seconds(ms), 's');
  },
  postgres: async ({ world, drive, measured }, pauseMs) => {
    await world.postgres.kill9();
    await sleep(pauseMs);
    await world.postgres.restart();
    const ms = await world.untilAccepting(drive, Date.now());
    measured('s from Postgres back until the first 202', seconds(ms), 's');
  },
  rollback: async ({ world, copies, measured }) => {
    const copy = copies[world.random.between(0, copies.length - 1)];
    if (copy === undefined) return;
    await world.redis?.rollBack(copy);
    const ms = await untilNewIsApplied(world, Date.now());
    measured('s from a rollback of Redis until new events were applied', seconds(ms), 's');
  },
  flush: async ({ world, measured }) => {
    await world.redis?.command('FLUSHALL');
    const ms = await untilNewIsApplied(world, Date.now());
    measured('s from FLUSHALL until new events were applied', seconds(ms), 's');
  },
  register: async ({ world, strangers }) => {
    await world.register(strangers.splice(0, 5));
  },
};

/** Row 35: everything at once, as a seed has it. */
export const mix = (size: MixSize): Scenario => ({
  row: 35,
  name: 'mix',
  title: `${size.events} events, ${size.faults} random kills, and Redis rolled back and flushed`,
  // The senders' events are in no order of time at all, so that most make their domain's whole history be read again: it must
  // not grow with the size of the run.
  world: { domains: Math.max(leastDomains, Math.round(size.events / 100)) },
  run: async (world) => {
    const schedule = scheduleOf(world.random, size, world.redis !== null);
    world.say(`schedule: ${schedule.map(({ at, kinds }) => `${kinds.join(' + ')} at ${at}`).join(', ')}`);
    // Load goes on until the last fault is over, however long that takes. More than is applied beside it would only make a
    // backlog that each fault is then waited for behind.
    const rate = Math.min(mostRate[world.backend], Math.max(100, size.events / 100));
    const drive = await world.drive({ rate, burst: 40, senders: 48, duplicates: 0.05, unresolved: 0.005 });
    const copies: string[] = [];
    const ground = { world, drive, copies, strangers: [...world.strangers] };
    for (const { at, kinds } of schedule) {
      await drive.untilAccepted(at, 10 * minute);
      world.say(`${kinds.join(' + ')} at ${drive.accepted()} accepted`);
      const pauses = kinds.map(() => world.random.between(100, 4000));
      const play: Play = { ...ground, measured: kinds.length === 1 ? world.measured : () => undefined };
      await Promise.all(kinds.map((kind, index) => faults[kind](play, pauses[index] ?? 0)));
      if (world.redis !== null) ground.copies.push(await world.redis.snapshot());
    }
    await drive.untilAccepted(Math.max(size.events, drive.accepted() + 200), 30 * minute);
  },
});
