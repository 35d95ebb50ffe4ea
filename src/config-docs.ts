import { variables } from './config-variables.ts';

const entries = Object.entries<{ default?: string; about: string }>(variables);

/** The text of `.env.example`. */
export const envExample = (): string =>
  [
    '# Every variable can also be given as NAME_FILE: the path of a file that holds the value.',
    ...entries.map(
      ([name, { default: value, about }]) => `\n# ${about}\n${value === undefined ? `#${name}=` : `${name}=${value}`}`,
    ),
    '',
  ].join('\n');

/** The rows of the README's configuration table. */
export const configTable = (): string =>
  [
    '| Variable | Default | What it does |',
    '|---|---|---|',
    ...entries.map(
      ([name, { default: value, about }]) =>
        `| \`${name}\` | ${value === undefined ? '' : `\`${value}\``} | ${about.replaceAll('|', '\\|')} |`,
    ),
  ].join('\n');

const start = '<!-- config:start -->';
const end = '<!-- config:end -->';

/**
 * A README with the table put between its two marks, and nothing else changed.
 *
 * @throws Error when the marks are not there once each, in order.
 */
export const withConfigTable = (readme: string, table: string): string => {
  const [before = '', rest, ...more] = readme.split(start);
  const [old, after, ...others] = rest?.split(end) ?? [];
  if (old === undefined || after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(`The README needs the marks ${start} and ${end} once each, in this order`);
  }
  return `${before}${start}\n${table}\n${end}${after}`;
};
