import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { withLeastRights } from '../support/rights.ts';
import { read, root } from './support/files.ts';

const file = read('ops/redis/users.acl');
const granted = [...file.matchAll(/ \+(\S+)/g)].map(([, name = '']) => name);

let server: TestRedis;
let client: Redis;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(withLeastRights({ REDIS_URL: server.url }).REDIS_URL, { maxRetriesPerRequest: 0 });
});
afterAll(async () => {
  client.disconnect();
  const administrator = new Redis(server.url);
  await administrator.acl('LOG', 'RESET');
  administrator.disconnect();
  await server.stop();
});

const answerTo = (...[name = '', ...words]: readonly string[]): Promise<string> =>
  client.call(name, ...words).then(String, (error: unknown) => String(error));

describe('ops/redis/users.acl', () => {
  it('lets nobody in without a name, and nobody at all until it has a password', () => {
    expect(file).toMatch(/^user default off\nuser notafter on #PASSWORD_SHA256 [^\n]*\n$/);
  });

  it('allows every command that the scripts of BullMQ call, and few beside', () => {
    const folder = path.join(root, 'node_modules/bullmq/dist/esm/scripts');
    const text = readdirSync(folder)
      .filter((name) => name.endsWith('.js'))
      .map((name) => readFileSync(path.join(folder, name), 'utf8'))
      .join('\n');
    const called = new Set(
      [...text.matchAll(/(?:rcall|redis\.p?call)\(\s*(['"])(\w+)\1/g)].map(([, , name = '']) => name.toLowerCase()),
    );
    expect(called.size).toBeGreaterThan(50);
    expect([...called].filter((name) => !granted.includes(name))).toEqual([]);
    expect(granted.filter((name) => !called.has(name)).sort()).toEqual(
      'bzpopmin client|list client|setname discard eval evalsha exec info multi ping quit select'.split(' '),
    );
  });

  it('takes the keys of the queues, and those alone', async () => {
    expect(await answerTo('SET', '{notafter}:epoch', '1')).toBe('OK');
    for (const command of [
      ['SET', 'epoch', '1'],
      ['GET', '{other}:epoch'],
      ['EVAL', "return redis.call('get', KEYS[1])", '1', 'other'],
      ['EVAL', "return redis.call('get', 'other')", '0'],
    ])
      expect([command, await answerTo(...command)]).toEqual([
        command,
        expect.stringMatching(/NOPERM|can't access|No permissions/i),
      ]);
  });

  const never: readonly (readonly string[])[] = [
    ['FLUSHALL'],
    ['FLUSHDB'],
    ['CONFIG', 'GET', '*'],
    ['CONFIG', 'SET', 'dir', '/tmp'],
    ['KEYS', '*'],
    ['SCAN', '0'],
    ['ACL', 'LIST'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
    ['CLIENT', 'PAUSE', '1'],
    ['MONITOR'],
    ['SHUTDOWN', 'NOSAVE'],
    ['REPLICAOF', '127.0.0.1', '1'],
    ['MODULE', 'LIST'],
    ['FUNCTION', 'LIST'],
    ['SAVE'],
    ['PUBLISH', 'a', 'b'],
    ['SUBSCRIBE', 'a'],
    ['EVAL', "return redis.call('flushall')", '0'],
  ];
  it.each(never.map((command) => ({ command, words: command.join(' ') })))('refuses $words', async ({ command }) => {
    expect(await answerTo(...command)).toMatch(/NOPERM|this user|can't run|No permissions/i);
  });
});
