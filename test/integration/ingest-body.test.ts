import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventBody, type IngestAnswer, startIngest, type TestIngest } from '../support/ingest.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const now = Date.UTC(2026, 4, 1, 12);
const limit = 256 * 1024;

let database: TestDatabase;
let server: TestIngest;
beforeAll(async () => {
  database = await createTestDatabase();
  server = await startIngest({ databaseUrl: database.url, now });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const told = ({ status, body }: IngestAnswer): unknown => (status === 202 ? 202 : [status, body['message']]);
const rowOf = async (answer: IngestAnswer) => {
  expect(told(answer)).toBe(202);
  const [row] = await server.db.sql<{ payload: unknown; text: string; reason: string }[]>`
    select payload_json as payload, payload_json::text as text, reason
    from certificate_lifecycle_events where id = ${String(answer.body['eventId'])}`;
  return row;
};

describe('the media type', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'APPLICATION/JSON',
    'application/cloudevents+json',
    'application/vnd.a.b+json ; v=1',
  ])('%s is taken', async (type) => {
    expect(told(await server.post(eventBody(), { headers: { 'content-type': type } }))).toBe(202);
  });

  const refusal = [415, 'Send the event as application/json without Content-Encoding'];
  it.each([
    undefined,
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=application/json',
    'application/jsonp',
    'application/json5',
    'application/x-ndjson',
    'text/json',
    'application/json, text/plain',
    'text/plain; a="application/json"',
    '*/*',
    `application/${'+'.repeat(8000)}`,
  ])('%s is refused', async (type) => {
    expect(told(await server.post(eventBody(), { headers: { 'content-type': type } }))).toEqual(refusal);
  });

  it.each(['gzip', 'identity', 'br', 'deflate, gzip', 'x', ''])(
    'any content encoding is refused: %j',
    async (encoding) => {
      const bytes = encoding === 'gzip' ? gzipSync(JSON.stringify(eventBody())) : eventBody();
      expect(told(await server.post(bytes, { headers: { 'content-encoding': encoding } }))).toEqual(refusal);
    },
  );
});

describe('the size', () => {
  const sized = (bytes: number): string => {
    const body = JSON.stringify({ ...eventBody(), pad: '' });
    return body.replace('"pad":""', `"pad":"${'x'.repeat(bytes - body.length)}"`);
  };
  const refusal = [413, `The body is larger than ${limit} bytes`];

  it.each([
    [limit - 1, false, 202],
    [limit, false, 202],
    [limit, true, 202],
    [limit + 1, false, refusal],
    [limit + 1, true, refusal],
    [1_000_000, false, refusal],
    [1_000_000, true, refusal],
    [5_000_000, false, refusal],
    [5_000_000, true, refusal],
  ])('of %i bytes, in chunks %s: %s', async (bytes, chunked, answer) => {
    expect(told(await server.post(sized(bytes), { chunked }))).toEqual(answer);
  });

  it('counts bytes and not characters', async () => {
    const body = JSON.stringify({ ...eventBody(), pad: 'é'.repeat(limit / 2) });
    expect(body.length).toBeLessThan(limit);
    expect(told(await server.post(body))).toEqual(refusal);
  });

  it('of nothing is no JSON', async () => {
    expect(told(await server.post(''))).toEqual([400, 'The body is not valid JSON']);
    expect(told(await server.post('', { chunked: true }))).toEqual([400, 'The body is not valid JSON']);
  });
});

describe('the encoding', () => {
  const around = (bytes: readonly number[]): Buffer => {
    const [before = '', after = ''] = JSON.stringify(eventBody({ reason: '@' })).split('@');
    return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
  };
  it.each([
    ['a byte that never occurs', [0xff]],
    ['a lone continuation', [0x80]],
    ['a sequence cut short', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a pair of encoded surrogates', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['a code point past the last', [0xf4, 0x90, 0x80, 0x80]],
    ['Latin-1', [0xe9]],
  ])('refuses %s', async (_, bytes) => {
    expect(told(await server.post(around(bytes)))).toEqual([400, 'The body is not valid UTF-8']);
  });

  it('keeps every character that UTF-8 has', async () => {
    const reason = 'é€😀\u{10FFFF}\u{FFFD}\u{FEFF}‮';
    expect((await rowOf(await server.post(eventBody({ reason }))))?.reason).toBe(reason);
  });

  it.each([
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(JSON.stringify(eventBody()))])],
    ['UTF-16', Buffer.from(JSON.stringify(eventBody()), 'utf16le')],
  ])('refuses %s', async (_, bytes) => {
    expect(told(await server.post(bytes))).toEqual([400, 'The body is not valid JSON']);
  });
});

describe('characters that the database cannot keep', () => {
  const nul = [400, 'The body must not hold NUL characters'];
  const lone = [400, 'The body must not hold unpaired surrogates'];
  const text = (member: string): string => JSON.stringify(eventBody()).replace('{', `{${member},`);
  it.each([
    ['NUL in a field', '"reason":"a\\u0000b"', nul],
    ['NUL in a key that is not known', '"a\\u0000":1', nul],
    ['NUL in a value that is not known', '"a":{"b":[["\\u0000"]]}', nul],
    ['NUL in the payload', '"payload":{"a":"\\u0000"}', nul],
    ['NUL in a key of the payload', '"payload":{"a":{"\\u0000":1}}', nul],
    ['a lone high surrogate', '"reason":"\\ud83d"', lone],
    ['a lone low surrogate', '"reason":"\\uDE00 x"', lone],
    ['surrogates the wrong way round', '"reason":"\\ude00\\ud83d"', lone],
    ['a lone surrogate in a key of the payload', '"payload":{"\\ud800":1}', lone],
    ['a lone surrogate deep in the payload', '"payload":{"a":[{"b":["\\udfff"]}]}', lone],
    ['a high surrogate before a backslash', '"reason":"\\ud83d\\\\ude00"', lone],
  ])('are refused: %s', async (_, member, refusal) => {
    expect(told(await server.post(text(member)))).toEqual(refusal);
  });

  it('does not take what only looks like them', async () => {
    const member = '"payload":{"a":"\\\\u0000 \\\\ud800","b":"\\ud83d\\ude00","\\u0001":"\\u007f"}';
    const row = await rowOf(await server.post(text(member)));
    expect(row?.payload).toEqual({ a: '\\u0000 \\ud800', b: '😀', '\u0001': '\u007F' });
  });
});

describe('the shape', () => {
  const nested = (depth: number, open: string, close: string): string =>
    JSON.stringify(eventBody({ payload: '@' })).replace(
      '"@"',
      `{"a":${open.repeat(depth - 2)}1${close.repeat(depth - 2)}}`,
    );
  const deep = [400, 'The body must not nest deeper than 32 levels'];

  it.each([
    ['arrays 32 deep', nested(32, '[', ']'), 202],
    ['arrays 33 deep', nested(33, '[', ']'), deep],
    ['objects 32 deep', nested(32, '{"a":', '}'), 202],
    ['objects 33 deep', nested(33, '{"a":', '}'), deep],
    ['arrays 100,000 deep', nested(100_000, '[', ']'), deep],
    ['arrays 100,000 deep that never end', '['.repeat(100_000), deep],
    ['brackets in a string', JSON.stringify(eventBody({ reason: '[{'.repeat(500) })), 202],
    ['brackets after an escaped quote', JSON.stringify(eventBody({ reason: `\\"${'['.repeat(99)}` })), 202],
  ])('%s', async (_, body, answer) => {
    expect(told(await server.post(body))).toEqual(answer);
  });

  it.each(['null', '[]', '"x"', '1', 'true', '[{}]'])('must be an object, not %s', async (body) => {
    expect(told(await server.post(body))).toEqual([400, 'The body must be a JSON object']);
  });

  it.each([
    '{',
    '{}x',
    "{'a':1}",
    '{"a":1,}',
    '{"a":NaN}',
    '{"a":01}',
    '{a:1}',
    '{"a":"\n"}',
    '//x\n{}',
    '{"a":"\\x41"}',
    '',
  ])('is JSON to the letter: %j is none', async (body) => {
    expect(told(await server.post(body))).toEqual([400, 'The body is not valid JSON']);
  });

  it('takes keys that mean something in JavaScript for what they are', async () => {
    const text = JSON.stringify(eventBody({ payload: '@' })).replace(
      '"@"',
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}',
    );
    const row = await rowOf(
      await server.post(text.replace('{', '{"__proto__":{"eventType":"x","domain":7},"hasOwnProperty":1,')),
    );
    expect(JSON.parse(row?.text ?? '')).toEqual(
      JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}'),
    );
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    const inherited = '{"__proto__":{"domain":"a.example.com","eventType":"renewal_succeeded"}}';
    expect((await server.post(inherited)).status).toBe(400);
  });

  it('takes the last of a key that is given twice', async () => {
    const text = JSON.stringify(eventBody({ reason: 'last' })).replace('{', '{"reason":"first","eventType":"x",');
    expect((await rowOf(await server.post(text)))?.reason).toBe('last');
  });

  it.each(['1e400', '-1e400', '1e308', '5e-324', '-0', '9'.repeat(500), '0.1e-400', `1${'0'.repeat(5000)}`])(
    'survives the number %s',
    async (number) => {
      const text = JSON.stringify(eventBody({ payload: { n: '@' } })).replace('"@"', number);
      expect(told(await server.post(text))).toBe(202);
      const field = JSON.stringify(eventBody({ callbackAttempt: '@' })).replace('"@"', number);
      expect(told(await server.post(field))).toEqual([400, 'callbackAttempt must be an integer from 1 to 100']);
      const time = JSON.stringify(eventBody({ notAfter: '@' })).replace('"@"', number);
      expect([202, 400]).toContain((await server.post(time)).status);
    },
  );

  it('survives as many keys and members as fit', async () => {
    const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 0]));
    expect(told(await server.post(eventBody({ payload: keys })))).toBe(202);
    expect(told(await server.post(eventBody({ payload: { a: Array.from({ length: 100_000 }, () => 1) } })))).toBe(202);
    expect(told(await server.post({ ...eventBody(), ...keys }))).toBe(202);
  });

  it('tells a bounded number of faults in a bounded message', async () => {
    const wrong = Object.fromEntries(Object.keys(eventBody()).map((name) => [name, 7]));
    const { status, text } = await server.post({ ...wrong, reason: 7, payload: 7, certificateRef: 7, notAfter: true });
    expect(status).toBe(400);
    expect(text.length).toBeLessThan(1000);
    expect(text).toContain('must be a string');
  });
});
