import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import type { DriverSettings } from './driver-process.ts';
import { answersFile, readAnswer, tail } from './journal.ts';
import type { Drive } from './scenario.ts';

const program = fileURLToPath(new URL('driver-process.ts', import.meta.url));

/** A drive whose journals can be read. */
export interface RunningDrive extends Drive {
  readonly dir: string;
}

/** Starts senders in a process of their own, which writes to `settings.dir`. */
export const startDrive = (settings: DriverSettings): RunningDrive => {
  mkdirSync(settings.dir, { recursive: true });
  const file = path.join(settings.dir, 'settings.json');
  writeFileSync(file, JSON.stringify(settings));
  const child = startChild(process.execPath, [program, file], { env: { PATH: process.env.PATH ?? '' } });
  const read = tail(answersFile(settings.dir));
  const accepted = new Set<string>();
  const answers: { at: number; ms: number; status: number }[] = [];
  const update = (): void => {
    for (const line of read()) {
      const [at, ms, status, identity] = readAnswer(line);
      answers.push({ at, ms, status });
      if (status === 202) accepted.add(identity);
    }
  };
  const ended = async (): Promise<void> => {
    const { code } = await child.exited;
    update();
    if (code !== 0) throw new Error(`the senders ended with ${code}:\n${child.output().slice(-2000)}`);
  };
  return {
    child,
    dir: settings.dir,
    accepted: () => {
      update();
      return accepted.size;
    },
    untilAccepted: async (count, timeoutMs = 120_000) => {
      const what = `${count} accepted events`;
      const enough = (): boolean => {
        update();
        if (accepted.size < count && child.hasExited())
          throw new Error(`the senders have ended after ${accepted.size}: ${child.output().slice(-500)}`);
        return accepted.size >= count;
      };
      await waitFor(enough, { timeoutMs, intervalMs: 25, what });
    },
    finished: async (timeoutMs = 300_000) => {
      await waitFor(() => child.hasExited(), { timeoutMs, intervalMs: 50, what: 'the senders to end' });
      await ended();
    },
    stop: async () => {
      if (!child.hasExited()) await child.stop(60_000);
      await ended();
    },
    answers: () => {
      update();
      return answers;
    },
  };
};
