import type { WriteStream } from 'node:tty';
import type { EmitIo } from './emit.ts';

/** What a command that talks to a server and to a person touches. */
export interface CliIo extends EmitIo {
  /** Width of the terminal that standard output is; null when it is a file or a pipe, which then gets JSON. */
  readonly columns: number | null;
  /** Writes over the last line of the terminal that standard error is, '' clears it; null when it is none. */
  readonly progress: ((line: string) => void) | null;
}

/** How these two streams look to a person. */
export const terminalOf = (stdout: WriteStream, stderr: WriteStream): Pick<CliIo, 'columns' | 'progress'> => ({
  // A terminal that does not know its width says 0.
  columns: stdout.isTTY ? stdout.columns || 100 : null,
  progress: stderr.isTTY ? (line) => void stderr.write(`\r\u001b[K${line}`) : null,
});

/** Members of an answer's object; none when it is anything else. */
export const membersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};

/** The objects of an answer's list; none when it is anything else. */
export const listOf = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.map(membersOf) : [];
