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

interface Scene {
  readonly paused?: () => ReadonlySet<QueueName>;
  readonly memory?: () => Promise<Memory>;
  readonly check?: () => Promise<void>;
  readonly afresh?: () => Promise<void>;
  readonly movedAt?: () => number;
}

interface Guarded {
  readonly recreated: readonly QueueName[];
  /** What was done for a store that may have forgotten, in order. */
  readonly steps: readonly string[];
}

/** A guardian of queues that have moved last at 0 unless told, on a clock that the test turns. */
const guardOver = (elapsed: () => number, scene: Scene = {}): Guarded => {
  const { paused = () => new Set(), check = nothing, afresh = nothing, movedAt = () => 0 } = scene;
  const { memory = () => Promise.resolve('kept') } = scene;
  const recreated: QueueName[] = [];
  const steps: string[] = [];
  const store: Store = {
    backend: 'postgres',
    queue: unused,
    worker: unused,
    check,
    memory: () => (steps.includes('confirm') ? Promise.resolve('kept') : memory()),
    afresh,
    confirm: async () => void steps.push('confirm'),
    facts: unused,
    close: nothing,
  };
  const queues: OpenQueues = {
    backend: 'postgres',
    enqueueGroup: unused,
    enqueueEvents: unused,
    enqueueProbes: unused,
    unfinishedProbes: unused,
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
      progress: () => new Map(queueNames.map((name) => [name, movedAt()])),
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
    onStuck: () => void steps.push('stuck'),
  });
  return { recreated, steps };
};

it(
  'makes deaf workers anew, but leaves those of a paused queue alone and says that it is paused',
  { timeout: 30_000 },
  async () => {
    let clock = 0;
    const { recreated } = guardOver(() => clock, { paused: () => new Set(['cert-events']) });
    await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual(['cert-events is paused']);
    clock = 60_000;
    await expect.poll(() => recreated.length, { timeout: 8000 }).toBeGreaterThan(0);
    expect(recreated).toEqual(queueNames.filter((name) => name !== 'cert-events'));
  },
);

it('gives a queue that moves again its time', { timeout: 30_000 }, async () => {
  let clock = 0;
  let paused: ReadonlySet<QueueName> = new Set(queueNames);
  const { recreated } = guardOver(() => clock, { paused: () => paused });
  await expect.poll(() => guardian?.faults()).toEqual([]);
  clock = 60_000;
  await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual(queueNames.map((name) => `${name} is paused`));
  clock = 85_000;
  paused = new Set();
  await expect.poll(() => guardian?.faults(), { timeout: 8000 }).toEqual([]);
  expect(recreated).toEqual([]);
});

it('has events queued again before all else when the store may have forgotten, and confirms last', async () => {
  const { steps } = guardOver(() => 0, {
    memory: () => Promise.resolve('doubtful'),
    // A set-up that is wrong has no schedules made by the look at it.
    check: () => Promise.reject(new StartError('the store is not set up')),
  });
  await expect.poll(() => steps.includes('confirm'), { timeout: 8000 }).toBe(true);
  expect(steps).toEqual(['reconcile', 'schedule', 'confirm']);
});

const rejecting = (): Promise<never> => Promise.reject(new Error('timeout exceeded when trying to connect'));
const never = (): Promise<never> => new Promise(() => undefined);

it.each([
  ['rejects', rejecting],
  ['never comes back', never],
])(
  'takes a store that answers everybody else for a fault of this process, when asking it %s',
  { timeout: 30_000 },
  async (_, memory) => {
    let clock = 0;
    let looks = 0;
    const afresh = async (): Promise<void> => void (looks += 1);
    const seen = guardOver(() => clock, { memory, afresh });
    await expect.poll(() => looks, { timeout: 12_000 }).toBeGreaterThan(0);
    expect(seen.steps).not.toContain('stuck');
    clock = 61_000;
    await expect.poll(() => seen.steps, { timeout: 12_000 }).toContain('stuck');
    expect(seen.recreated).toEqual([]);
  },
);

it('waits for a store that answers nobody, and for one that work gets on with', { timeout: 30_000 }, async () => {
  let clock = 0;
  let looks = 0;
  let away = true;
  const afresh = async (): Promise<void> => {
    looks += 1;
    clock += 61_000;
    if (away) await rejecting();
  };
  const seen = guardOver(() => clock, { memory: rejecting, afresh, movedAt: () => clock });
  await expect.poll(() => looks, { timeout: 15_000 }).toBeGreaterThan(1);
  away = false;
  await expect.poll(() => looks, { timeout: 15_000 }).toBeGreaterThan(3);
  expect(seen.steps).not.toContain('stuck');
});
