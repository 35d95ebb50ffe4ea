import { afterEach, expect, it } from 'vitest';
import { queueNames, type QueueName } from './catalog.ts';
import { type Guardian, startGuardian } from './guardian.ts';
import type { OpenQueues } from './open.ts';
import type { Store } from './store.ts';

const unused = (): never => {
  throw new Error('not part of this');
};
const nothing = (): Promise<void> => Promise.resolve();

let guardian: Guardian | null = null;
afterEach(() => guardian?.stop());

/** A guardian of queues that have moved last at 0, on a clock that the test turns. */
const guardOver = (paused: () => ReadonlySet<QueueName>, now: () => number): QueueName[] => {
  const recreated: QueueName[] = [];
  const store: Store = {
    backend: 'postgres',
    queue: unused,
    worker: unused,
    check: nothing,
    memory: () => Promise.resolve('kept'),
    confirm: nothing,
    facts: unused,
    close: nothing,
  };
  const queues: OpenQueues = {
    backend: 'postgres',
    enqueueGroup: unused,
    enqueueEvents: unused,
    enqueueProbes: unused,
    waitingProbes: unused,
    kickSettle: unused,
    kickDelivery: unused,
    kickReplay: unused,
    enqueueOpened: unused,
    carried: unused,
    depths: unused,
    board: unused,
    ping: nothing,
    schedule: nothing,
    paused: () => Promise.resolve(paused()),
    canary: nothing,
    close: nothing,
  };
  guardian = startGuardian({
    store,
    queues,
    workers: {
      progress: () => new Map(queueNames.map((name) => [name, 0])),
      recreate: async (name) => void recreated.push(name),
      close: nothing,
    },
    id: 'test',
    now,
    reconcile: () => Promise.resolve({}),
    onError: (error) => {
      throw error;
    },
    onDeaf: unused,
  });
  return recreated;
};

it(
  'makes deaf workers anew, but leaves those of a paused queue alone and says that it is paused',
  { timeout: 30_000 },
  async () => {
    let clock = 0;
    const recreated = guardOver(
      () => new Set(['cert-events']),
      () => clock,
    );
    await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual(['cert-events is paused']);
    clock = 60_000;
    await expect.poll(() => recreated.length, { timeout: 8000 }).toBeGreaterThan(0);
    expect(recreated).toEqual(queueNames.filter((name) => name !== 'cert-events'));
  },
);

it('gives a queue that moves again its time', { timeout: 30_000 }, async () => {
  let clock = 0;
  let paused: ReadonlySet<QueueName> = new Set(queueNames);
  const recreated = guardOver(
    () => paused,
    () => clock,
  );
  await expect.poll(() => guardian?.faults()).toEqual([]);
  clock = 60_000;
  await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual(queueNames.map((name) => `${name} is paused`));
  clock = 85_000;
  paused = new Set();
  await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual([]);
  expect(recreated).toEqual([]);
});
