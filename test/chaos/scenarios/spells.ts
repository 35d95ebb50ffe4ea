import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../support/driver.ts';
import { waitFor } from '../../support/wait.ts';
import type { Drive, Replica, World } from '../scenario.ts';

type Answers = ReturnType<Drive['answers']>;

/** Lets a fault stand for so long, and gives the answers of that time. */
export const spell = async (drive: Drive, ms: number, begin: () => unknown): Promise<Answers> => {
  const from = drive.answers().length;
  await begin();
  await sleep(ms);
  return drive.answers().slice(from);
};

/** Throws when any of these answers is not a 202, and measures how long the slowest hundredth took. */
export const mustAccept = (world: World, what: string, answers: Answers): void => {
  const refused = answers.filter(({ status }) => status !== 202);
  if (refused.length > 0)
    throw new Error(`${what}: ${refused.length} of ${answers.length} were answered ${refused[0]?.status}`);
  if (answers.length < 20) throw new Error(`${what}: only ${answers.length} events were answered`);
  const times = answers.map(({ ms }) => ms);
  world.measured(`p99 of acks in ms, ${what}`, quantile(times, 0.99), 'ms');
};

/** Waits until events are applied again after `since` (epoch ms), and holds it against a limit. */
export const mustApply = async (world: World, what: string, since: number, limitMs: number): Promise<void> => {
  const ms = await world.untilApplying(since);
  world.measured(`s from the end of the fault until events were applied, ${what}`, ms / 1000, 's');
  if (ms > limitMs) throw new Error(`${what}: events were applied again only after ${ms} ms`);
};

/** Waits until an event is accepted again after `since` (epoch ms), and holds it against a limit. */
export const mustAcceptAgain = async (
  world: World,
  drive: Drive,
  { what, since, limitMs }: { what: string; since: number; limitMs: number },
): Promise<void> => {
  const ms = await world.untilAccepting(drive, since);
  world.measured(`s from the end of the fault until the first 202, ${what}`, ms / 1000, 's');
  if (ms > limitMs) throw new Error(`${what}: events were accepted again only after ${ms} ms`);
};

/** Waits until a process answers so on /readyz; gives what it says. */
export const untilReadiness = (replica: Replica, ready: boolean, timeoutMs = 45_000): Promise<string> =>
  waitFor(
    async () => {
      const response = await fetch(`${replica.app().metricsUrl}/readyz`);
      const text = await response.text();
      if (response.ok !== ready) throw new Error(`/readyz answers ${response.status}: ${text}`);
      return text;
    },
    { timeoutMs, intervalMs: 200, what: ready ? 'a process to be ready' : 'a process not to be ready' },
  );

/** Does something again and again for so long. */
export const repeatedly = async (ms: number, everyMs: number, act: () => Promise<unknown>): Promise<void> => {
  const until = Date.now() + ms;
  while (Date.now() < until) {
    await act();
    await sleep(everyMs);
  }
};
