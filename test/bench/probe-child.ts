import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Answer, Ask } from './probe-worker.ts';

const worker = fileURLToPath(new URL('probe-worker.ts', import.meta.url));

/** A prober in a process of its own, which does one thing at a time. */
export interface ProbeChild {
  readonly ask: (what: Ask) => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

/** @param profiles folder for a CPU profile of the process; null for none. */
export const startProbeChild = (profiles: string | null): ProbeChild => {
  if (profiles !== null) mkdirSync(profiles, { recursive: true });
  const execArgv = profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const child = fork(worker, { execArgv, env: {}, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  return {
    ask: (what) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error('the prober ended'));
        child.once('exit', onExit);
        child.once('message', (answer) => {
          child.off('exit', onExit);
          // The worker answers with an Answer, or with the message of an error.
          if (typeof answer === 'string') reject(new Error(answer));
          else resolve(answer as Answer);
        });
        child.send(what);
      }),
    stop: async () => {
      // The worker ends, and writes its profile, when nothing can be asked any more.
      child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
};
