import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Verdict } from './check.ts';
import { nameOfSuite } from './mutant.ts';
import { root } from './tree.ts';

const [start, end] = ['<!-- mutants:start -->', '<!-- mutants:end -->'];

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();

/** The table as it stands in docs/reliability.md. */
export const tableOf = (verdicts: readonly Verdict[], about: string): string =>
  [
    about,
    '',
    '| mutant | what it does | file | turned red |',
    '| --- | --- | --- | --- |',
    ...verdicts.map(({ mutant, kind, test }) => {
      const found =
        kind === 'caught' ? `\`${mutant.suite.file}\`: ${cell(test)}` : `**${kind}** by ${nameOfSuite(mutant.suite)}`;
      return `| ${mutant.name} | ${cell(mutant.fault)} | \`${mutant.file}\` | ${found} |`;
    }),
  ].join('\n');

/** Puts the table between its marks in the page. @throws Error where they are missing */
export const writeTable = (table: string): void => {
  const page = path.join(root, 'docs', 'reliability.md');
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/reliability.md lacks ${start} … ${end}`);
  writeFileSync(page, `${text.slice(0, from + start.length)}\n\n${table}\n\n${text.slice(to)}`);
};
