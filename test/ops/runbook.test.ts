import { describe, expect, it } from 'vitest';
import { output, read } from './support/files.ts';

const page = read('docs/runbooks/ops-oncall.md');
const { paths } = JSON.parse(read('docs/openapi.json')) as { paths: Readonly<Record<string, object>> }; // our own file

/** Each call of the API as `method path`, with the names that stand for something in braces, as the document has them. */
const calls = [...page.matchAll(/api (?:-X (\w+) )?"\$NOTAFTER_URL(\/[^"?]+)/g)].map(
  ([, method = 'GET', path = '']) =>
    `${method} ${path.replace(/\/ID(?=\/|$)/, '/{id}').replace('/www.example.com', '/{domain}')}`,
);

/** Each command of notafter on the page, without what follows a comment or a pipe. */
const commands = [...page.matchAll(/(?:^|`)notafter ([a-z][^`\n#|]*)/gm)].map(([, words = '']) =>
  words.trim().split(/\s+/),
);

const asked = new Map<string, Promise<string>>();
const askHelp = (...words: readonly string[]): Promise<string> => {
  const command = words.join(' ');
  const help = asked.get(command) ?? output(process.execPath, 'src/cli.ts', ...words, '--help');
  asked.set(command, help);
  return help;
};

/** What `--help` says to a command: of the verb, where the command has verbs. @throws when there is no such command. */
const helpOf = async ([command = '', verb = '']: readonly string[]): Promise<string> => {
  const help = await askHelp(command);
  if (!help.startsWith(`Usage: notafter ${command} `)) throw new Error(`there is no command ${command}`);
  if (!help.includes('\nCommands:\n') || verb === '') return help;
  if (!new RegExp(`^ {2}${verb}\\b`, 'm').test(help)) throw new Error(`${command} has no ${verb}`);
  return askHelp(command, verb);
};

describe('the runbook', () => {
  it('shows commands and calls at all', () => {
    expect(calls.length).toBeGreaterThan(5);
    expect(commands.length).toBeGreaterThan(10);
  });

  it.each([...new Set(calls)])('calls %s, which is there', (call) => {
    const [method = '', path = ''] = call.split(' ');
    expect(Object.keys(paths)).toContain(path);
    expect(Object.keys(paths[path] ?? {})).toContain(method.toLowerCase());
  });

  it.each([...new Set(commands.map((words) => words.join(' ')))])('runs notafter %s, which is there', async (line) => {
    const words = line.split(' ');
    const options = words.filter((word) => word.startsWith('--'));
    const help = await helpOf(words);
    expect(options.filter((option) => !new RegExp(`${option}\\b`).test(help))).toEqual([]);
  });
});
