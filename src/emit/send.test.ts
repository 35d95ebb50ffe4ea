import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../test/e2e/support/ingest.ts';
import type { IngestServer } from '../../test/e2e/support/ingest.ts';
import { sendEvent } from './send.ts';
import type { Sender, Target } from './send.ts';
import { signHeaders } from './sign.ts';

const identity = { token: 'token-1', secret: 'secret=with,odd signs é', source: 'lego', cluster: 'web-1' };
const now = Date.parse('2027-01-02T03:04:05.678Z');
let ingest: IngestServer;

const sender = (over: Partial<Target> = {}, timeoutMs = 5000): Sender => ({
  target: { url: ingest.url, ...identity, ...over },
  fetch,
  now: () => now,
  timeoutMs,
});
const body = JSON.stringify({ source: 'lego', clusterId: 'web-1', sourceEventId: 'id-1', domain: 'a.example' });

beforeAll(async () => {
  ingest = await startIngest(identity);
});
afterAll(() => ingest[Symbol.asyncDispose]());
beforeEach(() => {
  ingest.answer = undefined;
  ingest.accepted.length = 0;
});

describe('signHeaders', () => {
  it('signs the timestamp, a dot and the body', () => {
    const expected = createHmac('sha256', 's').update('1700000000.{"a":1}').digest('hex');
    expect(signHeaders({ source: 'a', cluster: 'b', secret: 's', body: '{"a":1}', timestamp: 1_700_000_000 })).toEqual({
      'x-cert-source': 'a',
      'x-cert-cluster': 'b',
      'x-cert-timestamp': '1700000000',
      'x-cert-signature': expected,
    });
  });
});

describe('sendEvent', () => {
  it('is taken by a server that checks the signature, with the time of the sending', async () => {
    expect(await sendEvent(sender(), body)).toMatchObject({ kind: 'accepted', duplicate: false });
    expect(ingest.accepted.at(-1)).toMatchObject({ raw: body, timestamp: 1_798_859_045 });
    expect(await sendEvent(sender({ url: `${ingest.url}/v1/domains/cert-events` }), body)).toMatchObject({
      kind: 'accepted',
      duplicate: true,
    });
  });

  it.each([
    ['a wrong token', { token: 'no' }, 'HTTP 401: Invalid certificate ingest token'],
    ['a wrong secret', { secret: 'no' }, 'HTTP 401: Invalid certificate signature'],
    ['an unknown cluster', { cluster: 'no' }, 'HTTP 401: Unknown certificate source/cluster identity'],
  ])('is refused for %s', async (_, over, message) => {
    expect(await sendEvent(sender(over), body)).toEqual({ kind: 'refused', message });
  });

  it.each([
    [400, 'rejected'],
    [403, 'rejected'],
    [409, 'rejected'],
    [413, 'rejected'],
    [415, 'rejected'],
    [404, 'refused'],
    [301, 'refused'],
    [200, 'refused'],
    [408, 'unavailable'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ])('judges status %i as %s', async (status, kind) => {
    ingest.answer = () => ({ status, body: { message: 'because' } });
    expect(await sendEvent(sender(), body)).toMatchObject({ kind, message: `HTTP ${status}: because` });
  });

  it.each([
    ['7', 7000],
    [new Date(Math.floor(now / 1000) * 1000 + 9000).toUTCString(), 8322],
    ['soon', undefined],
  ])('reads Retry-After %j', async (value, retryAfterMs) => {
    ingest.answer = () => ({ status: 503, headers: { 'retry-after': value } });
    const result = await sendEvent(sender(), body);
    expect(result).toMatchObject({ kind: 'unavailable', answered: true });
    expect('retryAfterMs' in result ? result.retryAfterMs : undefined).toBe(retryAfterMs);
  });

  it('does not take an answer of some other server for an acceptance', async () => {
    ingest.answer = () => ({ status: 202, body: '<html>welcome</html>' });
    expect(await sendEvent(sender(), body)).toMatchObject({ kind: 'refused' });
  });

  it('does not read an endless answer', async () => {
    ingest.answer = () => ({ status: 400, body: { message: 'x'.repeat(200_000) } });
    expect(await sendEvent(sender(), body)).toMatchObject({
      kind: 'rejected',
      message: expect.stringMatching(/^HTTP 400: not an/),
    });
  });

  it('calls a closed port and a silent server unavailable', async () => {
    const silent = createServer((request) => request.pause());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    expect(await sendEvent(sender({ url }, 100), body)).toEqual({
      kind: 'unavailable',
      answered: false,
      message: 'the server did not answer in time',
    });
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
    expect(await sendEvent(sender({ url }), body)).toMatchObject({
      kind: 'unavailable',
      message: 'the server cannot be reached (ECONNREFUSED)',
    });
  });
});
