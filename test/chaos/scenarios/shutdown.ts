import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../support/wait.ts';
import { startBalancer } from '../balancer.ts';
import type { Replica, Scenario, World } from '../scenario.ts';
import { untilCaughtUp } from './common.ts';

const exitWithinMs = 25_000;

/** Ends a process by as many SIGTERMs as told and wants it to end well and in time; gives the milliseconds it took. */
const terminate = async (replica: Replica, signals = 1): Promise<number> => {
  const app = replica.app();
  const asked = performance.now();
  const ended = replica.stop();
  for (let n = 1; n < signals; n += 1) replica.signal('SIGTERM');
  const code = await ended;
  const ms = performance.now() - asked;
  if (code !== 0 || ms > exitWithinMs)
    throw new Error(
      `a ${replica.role} told to end did so with ${code} after ${ms} ms; it said: ${app.output().slice(-500)}`,
    );
  return ms;
};

const terminateAll = async (world: World, what: string, signals: number): Promise<void> => {
  const replicas = [...world.apis, ...world.workers];
  for (const replica of replicas) {
    world.measured(`ms from SIGTERM to the end ${what}`, await terminate(replica, signals), 'ms');
    await replica.start({ ready: replica.role === 'serve' });
  }
};

const sigterm: Scenario = {
  row: 30,
  name: 'sigterm',
  title: 'SIGTERM under load, twice in a row, and while Redis is down',
  run: async (world) => {
    const drive = await world.drive({ rate: 150 });
    await drive.untilAccepted(200);
    await terminateAll(world, 'under load', 1);
    await terminateAll(world, 'when told twice', 2);
    const { redis } = world;
    if (redis !== null) {
      await redis.kill9();
      await drive.untilAccepted(drive.accepted() + 100);
      await terminateAll(world, 'while Redis is down', 1);
      await redis.restart();
    }
    await drive.untilAccepted(drive.accepted() + 100);
    world.measured('s until all was applied', (await untilCaughtUp(world, Date.now())) / 1000, 's');
  },
};

const rounds = 50;

const fiftySigterms: Scenario = {
  row: null,
  name: 'sigterm-50',
  title: 'fifty SIGTERMs to two APIs in turn, behind a balancer that tries nothing twice',
  run: async (world) => {
    const ports = world.apis.map((api) => ({
      port: Number(new URL(api.app().url).port),
      metricsPort: Number(new URL(api.app().metricsUrl).port),
    }));
    const balancer = await startBalancer(ports);
    try {
      const drive = await world.drive({ rate: 150, senders: 32, ports: [balancer.port] });
      await drive.untilAccepted(100);
      for (let round = 0; round < rounds; round += 1) {
        const replica = world.apis[round % world.apis.length];
        if (replica === undefined) throw new Error('the world has no API');
        await terminate(replica);
        await replica.start();
        if (round % 10 === 9) world.say(`${round + 1} SIGTERMs; failed: ${JSON.stringify(balancer.failed())}`);
        const seen = () => balancer.ready() === world.apis.length;
        await waitFor(seen, { timeoutMs: 60_000, intervalMs: 10, what: 'the balancer to see that all are ready' });
        await sleep(world.random.between(0, 400));
      }
      await drive.stop();
      const failed = drive.answers().filter(({ status }) => status !== 202);
      world.measured(`failed requests over ${rounds} SIGTERMs`, failed.length, '');
      world.measured('requests', drive.answers().length, '');
      if (failed.length > 0)
        throw new Error(
          `${failed.length} requests failed: ${JSON.stringify(failed.slice(0, 5))}; balancer: ${JSON.stringify(balancer.failed())}`,
        );
    } finally {
      await balancer.close();
    }
  },
};

export const shutdownScenarios: readonly Scenario[] = [sigterm, fiftySigterms];
