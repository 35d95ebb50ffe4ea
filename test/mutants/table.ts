import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Verdict } from './check.ts';
import { nameOfSuite } from './mutant.ts';
import { root } from './tree.ts';

const [start, end] = ['<!-- mutants:start -->', '<!-- mutants:end -->'];
const page = path.join(root, 'docs', 'reliability.md');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();

const rowOf = ({ mutant, kind, test }: Verdict, commit: string): string => {
  const found =
    kind === 'caught' ? `\`${mutant.suite.file}\`: ${cell(test)}` : `**${kind}** by ${nameOfSuite(mutant.suite)}`;
  return `| ${mutant.name} | ${cell(mutant.fault)} | \`${mutant.file}\` | ${found} | ${commit} |`;
};

/**
 * The table of all mutants that are known by these names: the rows of `before`, and those of the verdicts in their place.
 *
 * @param commit of the sources that the verdicts are about
 */
export const tableOf = (
  verdicts: readonly Verdict[],
  { names, commit, before }: { readonly names: readonly string[]; readonly commit: string; readonly before: string },
): string => {
  const rows = new Map([...before.matchAll(/^\| ([a-z0-9-]+) \| .*$/gm)].map(([row, name = '']) => [name, row]));
  rows.delete('---');
  for (const verdict of verdicts) rows.set(verdict.mutant.name, rowOf(verdict, commit));
  const known = names.flatMap((name) => rows.get(name) ?? []);
  const caught = known.filter((row) => !/\| \*\*(?:survived|unclear)\*\* by /.test(row)).length;
  return [
    `${caught} of ${names.length} are caught.`,
    '',
    '| mutant | what it does | file | turned red | at commit |',
    '| --- | --- | --- | --- | --- |',
    ...known,
  ].join('\n');
};

/** What stands between the marks of the page. @throws Error where they are missing */
const marked = (text: string): { readonly from: number; readonly to: number } => {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/reliability.md lacks ${start} … ${end}`);
  return { from: from + start.length, to };
};

/** Puts the verdicts into the table of the page. */
export const writeTable = (verdicts: readonly Verdict[], names: readonly string[], commit: string): void => {
  const text = readFileSync(page, 'utf8');
  const { from, to } = marked(text);
  const table = tableOf(verdicts, { names, commit, before: text.slice(from, to) });
  writeFileSync(page, `${text.slice(0, from)}\n\n${table}\n\n${text.slice(to)}`);
};
