import { setTimeout as sleep } from 'node:timers/promises';
import type { Readiness } from './http/health.ts';

/** A balancer that asks less often hears of the end by other means, such as the platform that ends the process. */
const longestMs = 5000;
// One refusal may be taken for a hiccup.
const refusalsToHear = 2;

/** Keeps an eye on who asks for readiness, so that a process goes only once they know. */
export interface Audience {
  /** The readiness given, and a note of the answer. */
  readonly readiness: () => Promise<Readiness>;
  /**
   * Waits, at most 5 s, until whoever has been asking regularly was told twice that the process is not ready any more; at once
   * when nobody does. Until then new requests are taken as ever: a balancer that has not heard yet goes on sending them.
   */
  readonly farewell: () => Promise<void>;
}

/** @param now milliseconds of a clock that only goes forward */
export const audienceOf = (readiness: () => Promise<Readiness>, now: () => number): Audience => {
  // When the process last said that it is ready, newest last. How evenly says nothing: several may ask, and a busy machine delays.
  let asked: readonly number[] = [];
  const told = { refusals: 0 };
  const hasHeard = (): boolean => told.refusals >= refusalsToHear;
  const someoneAsks = (): boolean =>
    asked.length > 1 && asked.every((at) => now() - at < 2 * longestMs) && now() - (asked.at(-1) ?? 0) < longestMs;
  return {
    readiness: async () => {
      const answer = await readiness();
      if (answer.ready) asked = [...asked.slice(-1), now()];
      else told.refusals += 1;
      return answer;
    },
    farewell: async () => {
      if (!someoneAsks()) return;
      told.refusals = 0;
      const deadline = now() + longestMs;
      while (!hasHeard() && now() < deadline) await sleep(10);
    },
  };
};
