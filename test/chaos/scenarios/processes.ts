import type { Replica, Scenario, World } from '../scenario.ts';
import { dieAt, untilCaughtUp } from './common.ts';

const first = (replicas: readonly Replica[]): Replica => {
  const [replica] = replicas;
  if (replica === undefined) throw new Error('the world has no such process');
  return replica;
};

/** Kills one API at a failpoint again and again, each time after a few more of its requests, while the other serves. */
const killApiAt =
  (failpoints: readonly string[], rounds: number) =>
  async (world: World): Promise<void> => {
    const drive = await world.drive({ rate: 80, senders: 16, duplicates: 0.1 });
    const api = first(world.apis);
    await drive.untilAccepted(200);
    for (let round = 1; round <= rounds; round += 1) {
      for (const failpoint of failpoints) {
        const died = await dieAt(world, api, failpoint, world.random.between(1, 40));
        await api.start();
        world.measured(
          'ms from the death of an API until all it had committed was applied',
          await untilCaughtUp(world, died),
          'ms',
        );
      }
    }
    await drive.untilAccepted(drive.accepted() + 200);
  };

const apiAfterCommit: Scenario = {
  row: 1,
  name: 'api-after-commit',
  title: 'an API is killed between the commit of events and their hand-over to the queue',
  world: { failpoints: true },
  run: killApiAt(['ingest.committed', 'ingest.before-enqueue', 'ingest.enqueued'], 2),
};

const apiBeforeCommit: Scenario = {
  row: 2,
  name: 'api-before-commit',
  title: 'an API is killed before the commit of events',
  world: { failpoints: true },
  run: killApiAt(['ingest.before-commit'], 4),
};

/** The one event there is: every worker that takes it dies of it, twelve times; then they may live. */
const sameJobTwelveTimes: Scenario = {
  row: 3,
  name: 'same-job-twelve-times',
  title: 'twelve workers are killed one after the other on the same job',
  world: { failpoints: true },
  run: async (world) => {
    for (const worker of world.workers) await worker.kill9();
    const { status, body } = await world.tell({ domain: world.domains[0] ?? '', eventType: 'renewal_failed' });
    if (status !== 202) throw new Error(`an event was answered ${status}`);
    for (let round = 1; round <= 6; round += 1) {
      await Promise.all(
        world.workers.map((worker, n) => dieAt(world, worker, n === 0 ? 'apply.locked' : 'apply.saved')),
      );
      world.say(`${world.workers.length * round} deaths on the same event`);
    }
    const since = Date.now();
    for (const one of world.workers) await one.start();
    world.measured(
      's until an event was applied that twelve workers had died of',
      (await untilCaughtUp(world, since)) / 1000,
      's',
    );
    const tries = await world.sql`select 1 from cert_event_attempts where event_id = ${String(body['eventId'])}`;
    if (tries.length > 0) throw new Error('the deaths of workers counted as tries of the event');
  },
};

const workerKilled: Scenario = {
  row: 3,
  name: 'worker-killed',
  title: 'a worker is killed before, inside and after the transaction',
  world: { failpoints: true },
  run: async (world) => {
    // So few that what a dead worker had in hand is all that waits.
    const drive = await world.drive({ senders: 16, rate: 40 });
    const worker = first(world.workers);
    await drive.untilAccepted(200);
    const places = [
      'apply.locked',
      'apply.saved',
      'apply.committed',
      'deliver.sent',
      'settle.saved',
      'settle.committed',
    ];
    for (const place of places) {
      const died = await dieAt(world, worker, place, world.random.between(1, 3));
      world.measured(
        's from the death of a worker until its work was done',
        (await untilCaughtUp(world, died)) / 1000,
        's',
      );
    }
    await worker.start();
  },
  expect: async (world) => {
    const slow = world.figures.find(({ what, value }) => what.startsWith('s from the death of a worker') && value > 10);
    if (slow !== undefined) throw new Error(`the work of a dead worker waited for ${slow.value} s`);
  },
};

export const processScenarios: readonly Scenario[] = [
  apiAfterCommit,
  apiBeforeCommit,
  workerKilled,
  sameJobTwelveTimes,
];
