import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../test/e2e/support/ingest.ts';
import type { IngestServer } from '../../test/e2e/support/ingest.ts';
import { runEmit } from './emit.ts';
import type { EmitOptions } from './emit.ts';

const secrets = { token: 'token-very-secret', secret: 'key-very-secret' };
const chain = new URL('../../test/e2e/support/pem/chain.pem', import.meta.url).pathname;
const start = Date.parse('2027-03-01T10:00:00Z');
let ingest: IngestServer;
let directory: string;
let pem: string;
let now: number;
let out: string[];
let err: string[];

beforeEach(async () => {
  ingest = await startIngest({ ...secrets, source: 'certbot', cluster: 'web-1' });
  directory = mkdtempSync(join(tmpdir(), 'notafter-emit-'));
  pem = join(directory, 'cert.pem');
  await copyFile(chain, pem);
  now = start;
  out = [];
  err = [];
});
afterEach(async () => {
  await ingest[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const environment = (): Record<string, string | undefined> => ({
  NOTAFTER_URL: ingest.url,
  NOTAFTER_SOURCE: 'Certbot',
  NOTAFTER_CLUSTER: 'web-1',
  NOTAFTER_INGEST_TOKEN: secrets.token,
  NOTAFTER_SOURCE_KEY: secrets.secret,
  NOTAFTER_SPOOL: join(directory, 'spool'),
});

const emit = (options: Partial<EmitOptions>, env: Record<string, string | undefined> = {}): Promise<number> => {
  const io = {
    env: { ...environment(), ...env },
    now: () => now,
    stdout: (line: string) => out.push(line),
    stderr: (line: string) => err.push(line),
    fetch,
  };
  return runEmit(io, { timeout: 5, ...options });
};
const bodies = (): Record<string, unknown>[] => ingest.accepted.map(({ body }) => body);

describe('notafter emit', () => {
  it('reports every name of a certificate, at the time its file was written', async () => {
    utimesSync(pem, start / 1000 - 90, start / 1000 - 90);
    expect(await emit({ event: 'renewal_succeeded', pem })).toBe(0);
    expect(bodies().map(({ domain }) => domain)).toEqual(['www.example.com', '*.example.com', 'example.com']);
    expect(bodies()[0]).toMatchObject({ source: 'certbot', occurredAt: '2027-03-01T09:58:30.000Z' });
    expect(out[0]).toMatch(/^notafter emit: accepted www\.example\.com renewal_succeeded [0-9a-f]{12}$/);
    expect(err).toEqual([]);
  });

  it('reports once when the hook runs again later', async () => {
    utimesSync(pem, start / 1000, start / 1000);
    await emit({ event: 'renewal_succeeded', pem });
    now += 3_600_000;
    expect(await emit({ event: 'renewal_succeeded', pem, json: true })).toBe(0);
    expect(JSON.parse(out.at(-1) ?? '')).toMatchObject({ accepted: 0, duplicate: 3 });
  });

  it.each([
    ['the file is older than the certificate', Date.parse('2020-01-01T00:00:00Z'), {}],
    ['the file is from the future', start + 60_000, {}],
    ['it is a deployment', start - 60_000, { class: 'deployment', action: 'succeeded' } as const],
  ])('takes the present time when %s', async (_, written, what) => {
    utimesSync(pem, written / 1000, written / 1000);
    await emit({ pem, ...('class' in what ? what : { event: 'issuance_succeeded' }) });
    expect(bodies()[0]).toMatchObject({ occurredAt: '2027-03-01T10:00:00.000Z' });
  });

  it('reports failures by name, each on its own', async () => {
    const failure = {
      event: 'renewal_failed',
      domain: ['A.Example.', 'b.example'],
      reason: 'dns timeout',
      attempt: 2,
    } as const;
    expect(await emit(failure)).toBe(0);
    expect(await emit(failure)).toBe(0);
    expect(bodies().map(({ domain }) => domain)).toEqual(['a.example', 'b.example', 'a.example', 'b.example']);
    expect(new Set(bodies().map(({ sourceEventId }) => sourceEventId)).size).toBe(4);
    expect(bodies()[0]).toMatchObject({ reason: 'dns timeout', callbackAttempt: 2 });
  });

  it('keeps its events while the server is away, and their time; --flush sends them', async () => {
    const away = { NOTAFTER_URL: 'http://127.0.0.1:1' };
    expect(await emit({ event: 'renewal_failed', domain: ['a.example'] }, away)).toBe(3);
    expect(err.join()).toContain('spooled a.example renewal_failed (the server cannot be reached');
    expect(readdirSync(join(directory, 'spool')).filter((name) => name.endsWith('.json'))).toHaveLength(1);
    now += 7_200_000;
    expect(await emit({ flush: true })).toBe(0);
    expect(out).toEqual(['notafter emit: 1 from the spool delivered']);
    expect(ingest.accepted[0]).toMatchObject({
      timestamp: now / 1000,
      body: { occurredAt: '2027-03-01T10:00:00.000Z' },
    });
  });

  it('reads secrets from files', async () => {
    const [tokenFile, keyFile] = [join(directory, 'token'), join(directory, 'key')];
    writeFileSync(tokenFile, `${secrets.token}\n`);
    writeFileSync(keyFile, `${secrets.secret}\n`);
    const unset = { NOTAFTER_INGEST_TOKEN: undefined, NOTAFTER_SOURCE_KEY: undefined };
    const event = { event: 'renewal_failed', domain: ['a.example'] } as const;
    expect(await emit({ ...event, tokenFile, keyFile }, unset)).toBe(0);
    const files = { NOTAFTER_INGEST_TOKEN_FILE: tokenFile, NOTAFTER_SOURCE_KEY_FILE: keyFile };
    expect(await emit(event, { ...unset, ...files })).toBe(0);
  });

  it('never shows or stores a secret', async () => {
    await emit({ event: 'renewal_failed', domain: ['a.example'] }, { NOTAFTER_SOURCE_KEY: 'other-very-secret' });
    await emit({ event: 'renewal_failed', domain: ['a.example'] }, { NOTAFTER_URL: 'http://u:p-very-secret@h' });
    expect([...out, ...err].join('\n')).not.toContain('very-secret');
    expect(err.join('\n')).toContain('refused: HTTP 401: Invalid certificate signature');
    const stored = readdirSync(join(directory, 'spool'), { recursive: true, withFileTypes: true });
    expect(
      stored
        .filter((entry) => entry.isFile())
        .every((entry) => (statSync(join(entry.parentPath, entry.name)).mode & 0o77) === 0),
    ).toBe(true);
  });

  it.each([
    ['80%', '2106-11-02T21:31:27.000Z'],
    ['2027-05-01T00:00:00Z', '2027-05-01T00:00:00.000Z'],
    ['1800000000000', '2027-01-15T08:00:00.000Z'],
  ])('understands a renewal due at %s', async (renewalDue, renewalDueAt) => {
    await emit({ event: 'renewal_succeeded', pem, renewalDue, domain: ['example.com'] });
    expect(bodies()).toMatchObject([{ renewalDueAt }]);
  });

  it.each([
    ['no url', {}, { NOTAFTER_URL: undefined }, /NOTAFTER_URL/],
    ['another protocol', { url: 'ftp://x' }, {}, /NOTAFTER_URL/],
    ['no source', {}, { NOTAFTER_SOURCE: ' ' }, /NOTAFTER_SOURCE/],
    ['no token', {}, { NOTAFTER_INGEST_TOKEN: '' }, /NOTAFTER_INGEST_TOKEN/],
    ['a key without a cluster', {}, { NOTAFTER_CLUSTER: undefined }, /NOTAFTER_CLUSTER/],
    ['a token file that is not there', { tokenFile: '/nonexistent' }, {}, /--token-file.*cannot be read/],
    ['a PEM that is not there', { pem: '/nonexistent' }, {}, /--pem cannot be read/],
    ['half a pair', { class: 'renewal' as const }, {}, /belong together/],
    ['a name that is none', { domain: ['no name'] }, {}, /--domain must be a host name/],
    ['a due time that is none', { renewalDue: 'soon' }, {}, /--renewal-due/],
    ['a share without a certificate', { renewalDue: '80%' }, {}, /needs --pem/],
  ])('refuses a call with %s, and says what to give', async (_, options, env, message) => {
    const given: Partial<EmitOptions> = { event: 'renewal_failed', domain: ['a.example'], ...options };
    expect(await emit(given, env)).toBe(2);
    expect(err.join()).toMatch(message);
    expect(await emit({ ...given, hook: true }, env)).toBe(0);
  });

  it('refuses a call that does not say what happened', async () => {
    expect(await emit({ domain: ['a.example'] })).toBe(2);
    expect(err).toEqual(['notafter emit: Give --event, or a --class and --action that stand for an event.']);
  });

  it('as a hook, leaves out what is no host name and reports the rest', async () => {
    expect(await emit({ event: 'renewal_failed', domain: ['192.0.2.7', 'a.example'], hook: true })).toBe(0);
    expect(bodies()).toMatchObject([{ domain: 'a.example' }]);
  });

  it('as a hook, ends with 0 whatever the server says', async () => {
    ingest.answer = () => ({ status: 400, body: { message: 'no' } });
    expect(await emit({ event: 'renewal_failed', domain: ['a.example'] })).toBe(1);
    expect(await emit({ event: 'renewal_failed', domain: ['a.example'], hook: true })).toBe(0);
    expect(err.at(-1)).toBe('notafter emit: rejected a.example renewal_failed (HTTP 400: no)');
  });
});
