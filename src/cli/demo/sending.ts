import { setTimeout as sleep } from 'node:timers/promises';
import { sendEvent, type Target } from '../../emit/send.ts';
import { CommandError } from '../api-client.ts';
import type { DemoEvent } from './fleet.ts';

const mostInFlight = 16;
const timeoutMs = 10_000;
const retryWaitsMs = [500, 1000, 2000, 5000];

/** How and as whom events are sent. */
export interface SendOptions {
  /** Who signs, in turn. */
  readonly targets: readonly Target[];
  readonly fetch: typeof globalThis.fetch;
  readonly now: () => number;
  readonly ratePerSecond: number;
  /** Ends the sending early, without a fault. */
  readonly signal: AbortSignal;
}

/** What became of the events so far. */
export interface Counts {
  /** Answered 202, `duplicates` among them. */
  accepted: number;
  duplicates: number;
  /** Answered with a status that says the event can never pass. */
  refused: number;
}

const bodyOf = (target: Target, event: DemoEvent): string =>
  JSON.stringify({
    source: target.source,
    ...(target.cluster !== undefined && { clusterId: target.cluster }),
    ...event,
  });

/** Sends one event, again while the server is away. @throws CommandError when the server is not to be reached or refuses the sender. */
const sendOne = async (options: SendOptions, target: Target, event: DemoEvent, counts: Counts): Promise<void> => {
  const { fetch, now, signal } = options;
  for (let attempt = 0; ; attempt++) {
    const result = await sendEvent({ target, fetch, now, timeoutMs }, bodyOf(target, event));
    if (result.kind === 'accepted') {
      counts.accepted += 1;
      if (result.duplicate) counts.duplicates += 1;
      return;
    }
    if (result.kind === 'rejected') {
      counts.refused += 1;
      return;
    }
    const wait = retryWaitsMs[attempt];
    if (result.kind === 'refused' || wait === undefined)
      throw new CommandError(`events are not taken: ${result.message}`);
    if (signal.aborted) return;
    await sleep(Math.max(wait, result.retryAfterMs ?? 0), undefined, { signal }).catch(() => 'stopped');
  }
};

/** Sends `next()` at the wished rate until it gives null or the signal comes; several are in flight. */
const pump = async (
  options: SendOptions,
  counts: Counts,
  next: () => DemoEvent | null,
  told: (counts: Counts) => void,
): Promise<void> => {
  const { targets, now, ratePerSecond, signal } = options;
  const start = now();
  let taken = 0;
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const turn = taken++;
      const wait = start + (turn * 1000) / ratePerSecond - now();
      if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => 'stopped');
      const target = targets[turn % targets.length];
      const event = signal.aborted ? null : next();
      if (event === null || target === undefined) return;
      await sendOne(options, target, event, counts);
      told(counts);
    }
  };
  await Promise.all(Array.from({ length: mostInFlight }, lane));
};

/** Sends all events; `told` hears how many were answered. */
export const sendAll = async (
  options: SendOptions,
  events: readonly DemoEvent[],
  told: (answered: number) => void,
): Promise<Counts> => {
  const counts = { accepted: 0, duplicates: 0, refused: 0 };
  let index = 0;
  await pump(
    options,
    counts,
    () => events[index++] ?? null,
    ({ accepted, refused }) => told(accepted + refused),
  );
  return counts;
};

/** Sends one event after the other until the signal comes. */
export const untilStopped = (
  options: SendOptions,
  counts: Counts,
  { next, told }: { readonly next: () => DemoEvent; readonly told: (counts: Counts) => void },
): Promise<void> => pump(options, counts, next, told);
