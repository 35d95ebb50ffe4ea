import { afterEach, expect, it } from 'vitest';
import { StartError } from '../errors.ts';
import { queueNames, type QueueName } from './catalog.ts';
import { type Guardian, startGuardian } from './guardian.ts';
import type { OpenQueues } from './open.ts';
import type { Memory, Store } from './store.ts';

const unused = (): never => {
  throw new Error('not part of this');
};
const nothing = (): Promise<void> => Promise.resolve();

let guardian: Guardian | null = null;
afterEach(() => guardian?.stop());

interface Guarded {
  readonly recreated: readonly QueueName[];
  /** What was done for a store that may have forgotten, in order. */
  readonly steps: readonly string[];
}

/** A guardian of queues that have moved last at 0, on a clock that the test turns. */
const guardOver = (paused: () => ReadonlySet<QueueName>, elapsed: () => number, memory: Memory = 'kept'): Guarded => {
  const recreated: QueueName[] = [];
  const steps: string[] = [];
  const store: Store = {
    backend: 'postgres',
    queue: unused,
    worker: unused,
    // A set-up that is wrong has no schedules made by the look at it.
    check: () => (memory === 'kept' ? nothing() : Promise.reject(new StartError('the store is not set up'))),
    memory: () => Promise.resolve(steps.includes('confirm') ? 'kept' : memory),
    confirm: async () => void steps.push('confirm'),
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
    schedule: async () => void steps.push('schedule'),
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
    elapsed,
    reconcile: async (doubtful) => {
      if (doubtful) steps.push('reconcile');
      return {};
    },
    onError: (error) => {
      throw error;
    },
    onDeaf: unused,
  });
  return { recreated, steps };
};

it(
  'makes deaf workers anew, but leaves those of a paused queue alone and says that it is paused',
  { timeout: 30_000 },
  async () => {
    let clock = 0;
    const { recreated } = guardOver(
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
  const { recreated } = guardOver(
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

it('has events queued again before all else when the store may have forgotten, and confirms last', async () => {
  const { steps } = guardOver(
    () => new Set(),
    () => 0,
    'doubtful',
  );
  await expect.poll(() => steps.includes('confirm'), { timeout: 8000 }).toBe(true);
  expect(steps).toEqual(['reconcile', 'schedule', 'confirm']);
});
