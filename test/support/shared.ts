import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, startTemplateServer } from './made.ts';

type Shared = '/postgres' | '/build';

/** Inside a test run, what global-setup.ts makes for all files of the run. */
const askRun = async (what: Shared): Promise<string> => {
  const { inject } = await import('vitest');
  const response = await fetch(`${inject('sharedUrl')}${what}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${what} of the test set-up failed: ${text}`);
  return text;
};

const makers: Readonly<Record<Shared, () => Promise<string>>> = {
  '/postgres': async () => (await startTemplateServer(mkdtempSync(path.join(tmpdir(), 'notafter-test-')))).url,
  '/build': build,
};
const made = new Map<Shared, Promise<string>>();

/** Asks for something that is made once and shared: by a whole test run, or, in a program of its own, by that process. */
export const askShared = (what: Shared): Promise<string> => {
  if (process.env.VITEST !== undefined) return askRun(what);
  const known = made.get(what) ?? makers[what]();
  made.set(what, known);
  return known;
};
