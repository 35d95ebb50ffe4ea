import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { read, root } from './files.ts';

interface Instruction {
  readonly name: string;
  readonly text: string;
}
interface Stage {
  readonly from: string;
  /** Its name, or for the last one `image`. */
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile, its comments left out and its continued lines joined. */
export const stagesOf = (text: string): Stage[] =>
  text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split(/^(?=FROM )/m)
    .filter((stage) => stage.startsWith('FROM '))
    .map((stage) => {
      const [first = '', ...lines] = stage.split('\n').filter((line) => line !== '');
      const [, from = '', name = 'image'] = /^FROM (\S+)(?: AS (\S+))?$/.exec(first) ?? [];
      const instructions = lines.map((line) => {
        const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
        return { name: word, text: rest };
      });
      return { from, name, instructions };
    });

/** The text of the one instruction of this name in a stage. */
export const textOf = (stage: Stage | undefined, name: string): string => {
  const found = stage?.instructions.filter((one) => one.name === name) ?? [];
  if (found.length !== 1) throw new Error(`there are ${found.length} ${name} where one is expected`);
  return found[0]?.text ?? '';
};

/** Whether .dockerignore, which names what is let in, lets this in. */
export const isLetIn = (name: string): boolean => {
  const lines = read('.dockerignore').split('\n');
  return lines.includes(`!${name.split('/')[0]}`) && !name.endsWith('.test.ts');
};

const copy = (text: string, stages: string, here: string): void => {
  const words = text.split(' ');
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1];
  const [target = '', ...sources] = (from === undefined ? words : words.slice(1)).toReversed();
  for (const source of sources) {
    const file = from === undefined ? path.join(root, source) : path.join(stages, from, source);
    if (from === undefined && !isLetIn(source)) throw new Error(`.dockerignore keeps ${source} out`);
    const to =
      target.endsWith('/') && !statSync(file).isDirectory() ? path.join(target, path.basename(source)) : target;
    cpSync(file, path.join(here, to), {
      recursive: true,
      filter: (one) => from !== undefined || !one.endsWith('.test.ts'),
    });
  }
};

/**
 * Carries out the steps of a stage that need no engine in `<stages>/<name>`: WORKDIR, COPY, and each RUN of node or npm.
 * @returns the RUN steps that were left out, because they change the base image.
 */
export const carryOut = async (stage: Stage, stages: string): Promise<string[]> => {
  const left: string[] = [];
  let here = path.join(stages, stage.name);
  for (const { name, text } of stage.instructions) {
    if (name === 'WORKDIR') {
      here = path.join(stages, stage.name, text);
      mkdirSync(here, { recursive: true });
    }
    if (name === 'COPY') copy(text, stages, here);
    if (name === 'RUN' && !/^(?:node|npm) /.test(text)) left.push(text);
    else if (name === 'RUN') {
      const env = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env.PATH ?? ''}` };
      await promisify(execFile)('/bin/sh', ['-c', text], { cwd: here, env });
    }
  }
  return left;
};
