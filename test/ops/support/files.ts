import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createMetrics } from '../../../src/metrics.ts';

/** The repository. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));
/** A file of the repository, as text. */
export const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
/** The files of a folder of the repository whose names end so, with the folder before them. */
export const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name));

const execute = promisify(execFile);

/** Runs a program in the repository to its end. @returns what it printed. @throws with that when it fails. */
export const output = async (file: string, ...args: string[]): Promise<string> => {
  const { stdout, stderr } = await execute(file, args, { cwd: root, encoding: 'utf8' });
  return stdout + stderr;
};

/** The names of our own series in an expression; those of a histogram without their endings. */
export const seriesIn = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:fdt_cert|certctl)_\w+/g)].map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ''));

/** Names that no instrument of the product has. */
export const unknownSeries = (expressions: readonly string[]): string[] => {
  const known = new Set(
    createMetrics()
      .registry.getMetricsAsArray()
      .map(({ name }) => name),
  );
  return [...new Set(expressions.flatMap(seriesIn))].filter((name) => !known.has(name)).sort();
};
