import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
type Frame = Profile['nodes'][number]['callFrame'];

const fileOf = ({ url }: Frame): string =>
  url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\//, 'npm:')
    .replace(/^.*\/dist\//, '');

const functionOf = (frame: Frame): string => {
  const file = fileOf(frame);
  return `${frame.functionName || '(anonymous)'} ${file}${file === '' ? '' : `:${frame.lineNumber + 1}`}`;
};

/** A package, a file of the product, a module of Node, or, for what is native, the function itself. */
const ownerOf = (frame: Frame): string => {
  const file = fileOf(frame);
  if (file === '') return frame.functionName;
  return /^npm:((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? file;
};

const shares = (profile: Profile, nameOf: (frame: Frame) => string, most: number): string[] => {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  profile.samples.forEach((id, index) => {
    const name = names.get(id) ?? '';
    if (!/^\((?:idle|root)\)/.test(name)) self.set(name, (self.get(name) ?? 0) + (profile.timeDeltas[index] ?? 0));
  });
  const total = [...self.values()].reduce((sum, time) => sum + time, 0);
  const rows = [...self].sort(([, a], [, b]) => b - a).slice(0, most);
  return rows.map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`);
};

/** Who used most of a process's time by itself, by function and by file or package, for each profile in a folder; idle time is left out. */
export const hottest = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.cpuprofile'))
    .flatMap((file) => {
      // Written by Node itself in this format.
      const profile = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Profile;
      return [`\n${file}`, ...shares(profile, functionOf, 30), '', ...shares(profile, ownerOf, 25)];
    });
