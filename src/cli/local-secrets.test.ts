import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandEnv, serverSigners } from './local-secrets.ts';

let dataDir: string;
const at = (name: string): string => path.join(dataDir, 'secrets', name);

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-secrets-'));
  mkdirSync(path.join(dataDir, 'secrets'));
  for (const name of ['ingest-token', 'source-key', 'admin-token']) writeFileSync(at(name), 'x');
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const server = {
  CERT_EVENT_INGEST_TOKEN: 'ingest-token-of-the-server',
  CERT_EVENT_SOURCE_KEYS: 'certbot:eu=first,certbot:eu=second,lego:us=third',
  CERT_ADMIN_TOKENS: 'eyes:viewer:viewer-token,boss:admin:admin-token',
};

describe('commandEnv', () => {
  it('finds what npm start generated', () => {
    expect(commandEnv({ NOTAFTER_DATA_DIR: dataDir, PORT: '9000' })).toMatchObject({
      NOTAFTER_URL: 'http://127.0.0.1:9000',
      NOTAFTER_INGEST_TOKEN_FILE: at('ingest-token'),
      NOTAFTER_SOURCE_KEY_FILE: at('source-key'),
      NOTAFTER_TOKEN_FILE: at('admin-token'),
      NOTAFTER_SOURCE: 'local',
      NOTAFTER_CLUSTER: 'dev',
    });
  });

  it('finds nothing where nothing was generated', () => {
    expect(commandEnv({ NOTAFTER_DATA_DIR: path.join(dataDir, 'none') })).toEqual({
      NOTAFTER_URL: 'http://127.0.0.1:8080',
      NOTAFTER_DATA_DIR: path.join(dataDir, 'none'),
    });
  });

  it('leaves alone what is set, inline or by file, and does not mix a key of its own with the generated identity', () => {
    const env = commandEnv({
      NOTAFTER_DATA_DIR: dataDir,
      NOTAFTER_URL: 'https://far.example',
      NOTAFTER_TOKEN: 'mine',
      NOTAFTER_SOURCE: 'mine',
      NOTAFTER_SOURCE_KEY_FILE: '/mine',
    });
    expect(env).toMatchObject({ NOTAFTER_URL: 'https://far.example', NOTAFTER_SOURCE: 'mine' });
    expect(env).not.toHaveProperty('NOTAFTER_TOKEN_FILE');
    expect(env).not.toHaveProperty('NOTAFTER_CLUSTER');
    expect(env['NOTAFTER_SOURCE_KEY_FILE']).toBe('/mine');
  });

  it("takes the server's own variables before generated files, the token of the highest role first", () => {
    const env = commandEnv({ NOTAFTER_DATA_DIR: dataDir, ...server });
    expect(env).toMatchObject({
      NOTAFTER_INGEST_TOKEN: server.CERT_EVENT_INGEST_TOKEN,
      NOTAFTER_TOKEN: 'admin-token',
      NOTAFTER_SOURCE: 'certbot',
      NOTAFTER_CLUSTER: 'eu',
      NOTAFTER_SOURCE_KEY: 'first',
    });
    expect(env).not.toHaveProperty('NOTAFTER_TOKEN_FILE');
  });

  it("reads the server's variables from files, and falls back where they are faulty", () => {
    writeFileSync(at('tokens'), server.CERT_ADMIN_TOKENS);
    expect(commandEnv({ CERT_ADMIN_TOKENS_FILE: at('tokens') })).toMatchObject({ NOTAFTER_TOKEN: 'admin-token' });
    const faulty = commandEnv({ NOTAFTER_DATA_DIR: dataDir, CERT_ADMIN_TOKENS: 'no' });
    expect(faulty['NOTAFTER_TOKEN_FILE']).toBe(at('admin-token'));
  });
});

describe('serverSigners', () => {
  it('gives every source and cluster once, with the first of its secrets', () => {
    expect(serverSigners(server)).toEqual([
      { source: 'certbot', cluster: 'eu', secret: 'first' },
      { source: 'lego', cluster: 'us', secret: 'third' },
    ]);
    expect(serverSigners({})).toEqual([]);
  });
});
