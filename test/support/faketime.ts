import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { requireBinary } from './binaries.ts';

const library = (): string => {
  requireBinary('faketime');
  const folders = ['/usr/lib', ...readdirSync('/usr/lib').map((name) => path.join('/usr/lib', name))];
  const file = folders
    .map((folder) => path.join(folder, 'faketime', 'libfaketime.so.1'))
    .find((one) => existsSync(one));
  if (file === undefined) throw new Error('libfaketime is not installed; run: apt-get install -y faketime');
  return file;
};

/** The environment of a process whose clock is what a file says, at every moment: `+3600s`, `-120s`. */
export const clockFrom = (file: string): Readonly<Record<string, string>> => ({
  LD_PRELOAD: library(),
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_NO_CACHE: '1',
  // Timers and the event loop go by the monotonic clock, which nobody sets.
  DONT_FAKE_MONOTONIC: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
});
