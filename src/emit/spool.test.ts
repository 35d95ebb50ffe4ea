import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from './lock.ts';
import { Spool } from './spool.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'notafter-spool-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const event = (body: string) => ({ body, idFromCertificate: false });
const bodies = (spool: Spool): string[] => spool.list().map(({ body }) => body);
const files = (path = directory): string[] => readdirSync(path).filter((name) => name.endsWith('.json'));

describe('Spool', () => {
  it('keeps events over a restart, oldest first, for the owner alone', () => {
    const spool = new Spool(directory);
    spool.put(event('later'), 2000);
    spool.put(event('early'), 1000);
    spool.put(event('early too'), 1000);
    const reopened = new Spool(directory);
    expect(bodies(reopened)).toEqual(['early', 'early too', 'later']);
    expect(files().map((name) => statSync(join(directory, name)).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
    for (const kept of reopened.list()) reopened.remove(kept);
    expect(readdirSync(directory)).toEqual(['rejected']);
  });

  it('sets a rejected event aside with the reason; moved back, it counts again', () => {
    const spool = new Spool(directory);
    spool.reject(spool.put(event('bad'), 1000), 'HTTP 400: no');
    expect(bodies(spool)).toEqual([]);
    const [name = ''] = files(join(directory, 'rejected'));
    expect(JSON.parse(readFileSync(join(directory, 'rejected', name), 'utf8'))).toMatchObject({
      body: 'bad',
      message: 'HTTP 400: no',
    });
    renameSync(join(directory, 'rejected', name), join(directory, name));
    expect(bodies(spool)).toEqual(['bad']);
  });

  it('stays bounded: the oldest give way, and the rejected ones are bounded too', () => {
    const spool = new Spool(directory, 3);
    for (let n = 1; n <= 10; n += 1) spool.put(event(`e${n}`), n);
    expect(bodies(spool)).toEqual(['e8', 'e9', 'e10']);
    expect(files(join(directory, 'rejected'))).toHaveLength(3);
  });

  it('sets a damaged file aside and leaves strange ones alone', () => {
    const spool = new Spool(directory);
    spool.put(event('good'), 2000);
    writeFileSync(join(directory, '000000000001000-00000-0badcafe.json'), '{"body":');
    writeFileSync(join(directory, '.000000000001000-00000-0badcafe.json.77'), '{"half');
    expect(bodies(spool)).toEqual(['good']);
    expect(files(join(directory, 'rejected'))).toEqual(['000000000001000-00000-0badcafe.json']);
  });
});

describe('withLock', () => {
  const options = { now: Date.now, sleep: (ms: number) => sleep(ms), waitMs: 0 };

  it('lets one in at a time and gives up after waiting', async () => {
    const inner = await withLock(directory, options, () => withLock(directory, options, async () => 'both'));
    expect(inner).toBeUndefined();
    expect(existsSync(join(directory, 'lock'))).toBe(false);
    expect(await withLock(directory, options, async () => 'free')).toBe('free');
  });

  it('waits for the other to finish', async () => {
    const order: string[] = [];
    const first = withLock(directory, options, async () => {
      await sleep(30);
      order.push('first');
    });
    const second = withLock(directory, { ...options, waitMs: 5000 }, async () => order.push('second'));
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  it.each([
    ['whose process is gone', '4194303', Date.now],
    ['that is older than any run', String(process.pid), () => Date.now() + 3_600_000],
  ])('takes over a lock %s', async (_, holder, now) => {
    writeFileSync(join(directory, 'lock'), holder);
    expect(await withLock(directory, { ...options, now, waitMs: 5000 }, async () => 'mine')).toBe('mine');
  });
});
