import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const help = async (...words: readonly string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [cli, ...words, '--help'])).stdout;

describe('notafter --help', () => {
  it('names the variables that lead a command to its server', async () => {
    const [, environment = ''] = (await help()).split('\nEnvironment');
    for (const name of ['NOTAFTER_URL', 'NOTAFTER_TOKEN_FILE', 'PORT'])
      expect(environment).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  });

  it.each([
    [['domains', 'probe'], /Exit codes with --wait: .*not yet the renewed certificate/],
    [['domains', 'list'], /choices: "in_step", "stale_served"/],
    [['demo'], /unless it is told --with-alerts/],
  ])('of %j says what it does', async (words, text) => {
    expect((await help(...words)).replaceAll(/\s+/g, ' ')).toMatch(text);
  });
});
