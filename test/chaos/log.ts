import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../../.data/chaos/', import.meta.url));
const logName = 'log.jsonl';

/** The log of one run: what was set up, each step with its time, the verdict; its folder holds the journals too. */
export interface RunLog {
  readonly dir: string;
  /** Adds a line with the milliseconds since the start. */
  readonly write: (entry: Readonly<Record<string, unknown>>) => void;
  /** One line of progress, printed as well. */
  readonly say: (text: string) => void;
  /** Packs the journals of the senders. */
  readonly close: () => void;
}

/** Opens the log of a run in a new folder below .data/chaos. */
export const openLog = (name: string, print: (line: string) => void): RunLog => {
  const started = Date.now();
  const stamp = new Date(started).toISOString().replaceAll(/[:.]/g, '-').slice(0, 23);
  const dir = path.join(root, `${stamp}-${name}`);
  mkdirSync(dir, { recursive: true });
  const write: RunLog['write'] = (entry) =>
    appendFileSync(path.join(dir, logName), `${JSON.stringify({ at: Date.now() - started, ...entry })}\n`);
  return {
    dir,
    write,
    say: (text) => {
      write({ say: text });
      print(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${text}`);
    },
    close: () => {
      for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.jsonl') || file === logName) continue;
        writeFileSync(path.join(dir, `${file}.gz`), gzipSync(readFileSync(path.join(dir, file))));
        rmSync(path.join(dir, file));
      }
    },
  };
};
