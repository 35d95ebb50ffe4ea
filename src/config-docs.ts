import { variables } from './config.ts';

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
