import { writeSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens at a failpoint: the process dies or stands still there, waits there, or the work fails there. */
export type FailAction = { readonly kind: 'kill' | 'stop' | 'throw' } | { readonly kind: 'delay'; readonly ms: number };

/** An action at one failpoint, at its `nth` passing; null: at every one. */
export interface Failure {
  readonly action: FailAction;
  readonly nth: number | null;
}

const form = /^([a-z][a-z-]*\.[a-z-]+)=(?:(kill|stop|throw)|delay\((\d{1,6})\))(?:@(\d{1,6}|\*))?$/;

/**
 * Reads NOTAFTER_FAILPOINTS: `name=action` and more of them after `;`. An action is `kill` (SIGKILL), `stop` (SIGSTOP),
 * `throw` or `delay(MS)`; `@N` after it means the N-th passing (the first unless said), `@*` every one.
 *
 * @param known the failpoints of this build; another name is an error, as is another form
 */
export const parseFailures = (text: string, known: readonly string[]): ReadonlyMap<string, Failure> =>
  new Map(
    text
      .split(';')
      .filter((part) => part.trim() !== '')
      .map((part) => {
        const [, name = '', word, ms, nth = '1'] = form.exec(part.trim()) ?? [];
        if (name === '') throw new Error(`NOTAFTER_FAILPOINTS: ${part.trim()} is not of the form name=action[@N]`);
        if (!known.includes(name)) throw new Error(`NOTAFTER_FAILPOINTS: there is no failpoint ${name}`);
        // The form lets these three words through and no other.
        const action = word === undefined ? { kind: 'delay', ms: Number(ms) } : { kind: word as 'kill' };
        return [name, { action, nth: nth === '*' ? null : Number(nth) }] as [string, Failure];
      }),
  );

/**
 * The function that the failpoint build calls at each failpoint. What is to happen is said on stderr before it does, so that
 * a test can see that its failpoint was reached.
 */
export const failpoints = (text: string, known: readonly string[]): ((name: string) => Promise<void>) => {
  const failures = parseFailures(text, known);
  const passed = new Map<string, number>();
  return async (name) => {
    const failure = failures.get(name);
    if (failure === undefined) return;
    const count = (passed.get(name) ?? 0) + 1;
    passed.set(name, count);
    if (failure.nth !== null && failure.nth !== count) return;
    const { action } = failure;
    writeSync(2, `failpoint ${name}: ${action.kind}\n`);
    if (action.kind === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action.kind === 'stop') process.kill(process.pid, 'SIGSTOP');
    if (action.kind === 'delay') await sleep(action.ms);
    if (action.kind === 'throw') throw new Error(`failpoint ${name}`);
  };
};
