import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config.ts';
import { selfCommand } from './self.ts';
import { shellWord } from './shell-word.ts';
import { welcome } from './welcome.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const script = path.join(root, 'scripts', 'notafter');
const usual = path.join(root, '.data');
const configOf = (env: Record<string, string> = {}) => parseConfig({ NOTAFTER_DATA_DIR: usual, ...env }, () => '');

describe('welcome', () => {
  it('shows addresses, secrets and the first command on one screen', () => {
    const lines = welcome({ port: 8080, metricsPort: 9465 }, configOf(), `${usual}/secrets`);
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(lines).toContain(`      ${script} first-event shop.example.com`);
    expect(lines.join('\n')).toContain(`${usual}/secrets`);
    expect(lines.join('\n')).toContain('http://localhost:8080/console   (sign in with the token in admin-token');
  });

  it('gives commands that find a server on other ports', () => {
    const text = welcome({ port: 9000, metricsPort: 9001 }, configOf(), '/secrets').join('\n');
    expect(text).toContain(`      PORT=9000 ${script} first-event`);
    expect(text).toContain(`      PORT=9000 CERT_METRICS_PORT=9001 ${script} doctor`);
  });

  it('shows no command that would need tokens it does not know, and no URL of a store', () => {
    const env = { DATABASE_URL: 'postgres://u:hidden@db/x', REDIS_URL: 'redis://:hidden@r' };
    const text = welcome({ port: 8080, metricsPort: 9465 }, configOf(env), null).join('\n');
    expect(text).not.toContain('first-event');
    expect(text).not.toContain('hidden');
    expect(text).toContain('in Redis');
  });
});

describe('selfCommand', () => {
  it('is short where the shell stands in the clone', () => {
    expect(selfCommand({ port: 8080, dataDir: usual }, root)).toBe('scripts/notafter');
    expect(selfCommand({ port: 8080, dataDir: '/my data' }, root)).toBe(
      "NOTAFTER_DATA_DIR='/my data' scripts/notafter",
    );
    expect(selfCommand({ port: 8080, dataDir: usual }, '/')).toBe(script.slice(1));
    expect(selfCommand({ port: 8080, dataDir: usual }, '/usr/bin')).toBe(script);
  });
});

describe('shellWord', () => {
  it.each([
    ['plain/path-1.2', 'plain/path-1.2'],
    ['two words', "'two words'"],
    ["it's", String.raw`'it'\''s'`],
    ['$HOME', "'$HOME'"],
    ['', "''"],
  ])('%j', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });
});
