import { closeSync, existsSync, fdatasync, openSync, readFileSync, readSync, write } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const writeTo = promisify(write);
const sync = promisify(fdatasync);

/** A file of lines that are on disk before anybody relies on them. */
export interface Journal {
  /** Resolves once the line is on disk; lines that come meanwhile go there together. */
  append(line: string): Promise<void>;
  close(): Promise<void>;
}

export const openJournal = (file: string): Journal => {
  const fd = openSync(file, 'a');
  let waiting: { line: string; done: () => void; failed: (error: unknown) => void }[] = [];
  let running: Promise<void> | null = null;
  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const bytes = Buffer.from(batch.map(({ line }) => `${line}\n`).join(''));
        for (let from = 0; from < bytes.length;) from += (await writeTo(fd, bytes, from)).bytesWritten;
        await sync(fd);
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    running = null;
  };
  return {
    append: (line) =>
      new Promise((done, failed) => {
        waiting.push({ line, done, failed });
        running ??= flush();
      }),
    close: async () => {
      await running;
      closeSync(fd);
    },
  };
};

/** The whole lines of a journal from where the last call ended; one that is not whole yet waits for the next call. */
export const tail = (file: string): (() => string[]) => {
  const buffer = Buffer.allocUnsafe(1 << 20);
  let fd: number | null = null;
  let at = 0;
  let rest = '';
  return () => {
    if (fd === null) {
      if (!existsSync(file)) return [];
      fd = openSync(file, 'r');
    }
    const lines: string[] = [];
    for (;;) {
      const bytes = readSync(fd, buffer, 0, buffer.length, at);
      if (bytes === 0) return lines;
      at += bytes;
      // Answers hold ASCII only, so that no character is cut in two.
      const parts = (rest + buffer.toString('latin1', 0, bytes)).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) lines.push(part);
    }
  };
};

/** What a sender writes down of one answer, or of none: when (epoch ms), how long (ms), status (0: none), identity, id given. */
export type AnswerLine = readonly [at: number, ms: number, status: number, identity: string, id: string | null];

/** An event as it was sent. */
export type SentLine = Readonly<Record<string, unknown>> & { readonly sourceEventId: string; readonly domain: string };

export const sentFile = (dir: string): string => path.join(dir, 'sent.jsonl');
export const answersFile = (dir: string): string => path.join(dir, 'answers.jsonl');

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];

// Both files are written by the sender of driver-process.ts alone.
export const readAnswer = (line: string): AnswerLine => JSON.parse(line) as AnswerLine;
export const readSent = (dir: string): SentLine[] => linesOf(sentFile(dir)).map((line) => JSON.parse(line) as SentLine);
export const readAnswers = (dir: string): AnswerLine[] => linesOf(answersFile(dir)).map(readAnswer);
