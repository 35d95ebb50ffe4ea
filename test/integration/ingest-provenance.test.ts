import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signEvent } from '../../src/lifecycle/signature.ts';
import { eventBody, type IngestAnswer, secret, signed, startIngest, type TestIngest } from '../support/ingest.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12, 0, 0, 999);
const second = Math.floor(now / 1000);
const older = 'the secret before this one';

let database: TestDatabase;
let server: TestIngest;
beforeAll(async () => {
  database = await createTestDatabase();
  const env = {
    CERT_EVENT_SOURCE_KEYS: `certbot:eu-1=${older}, CertBot:EU-1=${secret} ,cert_manager:eu-1=a=b==,lego:aa:bb=${secret}`,
  };
  server = await startIngest({ databaseUrl: database.url, env, now });
});
afterAll(async () => {
  await server.close();
  await database.drop();
});

const message = ({ status, body }: IngestAnswer): unknown => (status === 202 ? 202 : body['message']);
const expired = 'Certificate signature timestamp expired';
const invalidTime = 'Invalid certificate timestamp';
const invalid = 'Invalid certificate signature';
const unknown = 'Unknown certificate source/cluster identity';

describe('the timestamp', () => {
  const answerAt = async (timestamp: string | undefined): Promise<unknown> => {
    const body = JSON.stringify(eventBody());
    const signature = signEvent(secret, timestamp ?? '', Buffer.from(body));
    const headers = { 'x-cert-timestamp': timestamp, 'x-cert-signature': signature };
    return message(await server.post(body, { headers }));
  };
  it.each([
    [0, 202],
    [-300, 202],
    [300, 202],
    [-301, expired],
    [301, expired],
    [-86_400, expired],
  ])('of %i seconds from now: %s', async (seconds, answer) => {
    expect(await answerAt(String(second + seconds))).toBe(answer);
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['with letters', `${second}abc`],
    ['hexadecimal', `0x${second.toString(16)}`],
    ['with a sign', `+${second}`],
    ['negative', `-${second}`],
    ['with a fraction', `${second}.0`],
    ['with an exponent', '1e9'],
    ['of two numbers', `${second} ${second}`],
    ['of digits that are not ASCII', Buffer.from('١٢٣', 'utf8').toString('latin1')],
  ])('%s is refused', async (_, timestamp) => {
    expect(await answerAt(timestamp)).toBe(invalidTime);
  });

  it('in milliseconds, of any length or of zeros is expired', async () => {
    expect(await answerAt(String(now))).toBe(expired);
    expect(await answerAt('9'.repeat(400))).toBe(expired);
    expect(await answerAt('0')).toBe(expired);
  });

  it('is signed as it is sent, zeros in front included', async () => {
    expect(await answerAt(`000${second}`)).toBe(202);
    const body = JSON.stringify(eventBody());
    const headers = { ...signed(body, { at: now }), 'x-cert-timestamp': `0${second}` };
    expect(message(await server.post(body, { headers }))).toBe(invalid);
  });

  it('sent twice is refused', async () => {
    const body = eventBody();
    const headers = { ...signed(body, { at: now }), 'x-cert-timestamp': [String(second), String(second)] };
    expect(message(await server.post(body, { headers }))).toBe(invalidTime);
  });
});

describe('the signature', () => {
  const body = JSON.stringify(eventBody());
  const right = signEvent(secret, String(second), Buffer.from(body));
  it.each([
    ['in lower case', right, 202],
    ['in upper case', right.toUpperCase(), 202],
    ['with blanks around it', ` ${right} `, 202],
    ['missing', undefined, invalid],
    ['empty', '', invalid],
    ['of 63 digits', right.slice(1), invalid],
    ['of 65 digits', `${right}0`, invalid],
    ['of 66 digits', `${right}00`, invalid],
    ['of 128 digits', right + right, invalid],
    ['with a digit that is none', `g${right.slice(1)}`, invalid],
    ['with a prefix', `sha256=${right}`, invalid],
    ['in base64', Buffer.from(right, 'hex').toString('base64'), invalid],
    ['with its last bit turned', right.slice(0, -1) + (Number.parseInt(right.slice(-1), 16) ^ 1).toString(16), invalid],
    ['under an unknown secret', signEvent('other', String(second), Buffer.from(body)), invalid],
    ['of the body alone', signEvent(secret, '', Buffer.from(body)), invalid],
    ['sent twice', [right, right], invalid],
  ])('%s: %s', async (_, signature, answer) => {
    const headers = { 'x-cert-timestamp': String(second), 'x-cert-signature': signature };
    expect(message(await server.post(body, { headers }))).toBe(answer);
  });

  it('is over the bytes: the same JSON written in another way does not fit', async () => {
    const event = eventBody({ reason: 'é/"x"', payload: { n: 1.5, list: [1, 2] } });
    const text = JSON.stringify(event);
    const signature = signed(text, { at: now });
    const others: Readonly<Record<string, string | Buffer>> = {
      indented: JSON.stringify(event, null, 2),
      'with a blank before it': ` ${text}`,
      'with a newline after it': `${text}\n`,
      'in another order': JSON.stringify(Object.fromEntries(Object.entries(event).toReversed())),
      'with another escape': text.replace('é', '\\u00e9'),
      'with an escaped slash': text.replace('/', '\\/'),
      'with another number': text.replace('1.5', '1.50'),
      'with a duplicate key': text.replace('{', '{"reason":"x",'),
      'with bytes that are no UTF-8': Buffer.from(text, 'latin1'),
    };
    for (const [what, bytes] of Object.entries(others)) {
      expect([what, message(await server.post(bytes, { headers: signature }))]).toEqual([what, invalid]);
    }
    expect(message(await server.post(text, { headers: signature }))).toBe(202);
  });

  it('is checked before the body is read as JSON, and covers bytes that are none', async () => {
    const bytes = Buffer.from([0x7b, 0xff, 0x7d]);
    const wrong = { ...signed(bytes, { at: now }), 'x-cert-signature': '0'.repeat(64) };
    expect(message(await server.post(bytes, { headers: wrong }))).toBe(invalid);
    expect(message(await server.post(bytes, { headers: signed(bytes, { at: now }) }))).toBe(
      'The body is not valid UTF-8',
    );
  });

  it('is the same for one body or many chunks', async () => {
    const event = eventBody({ payload: { text: 'é'.repeat(50_000) } });
    expect(message(await server.post(event, { headers: signed(event, { at: now }), chunked: true }))).toBe(202);
  });

  it('may come again: the same bytes are a duplicate', async () => {
    const event = eventBody();
    const headers = signed(event, { at: now });
    const [first, again] = [await server.post(event, { headers }), await server.post(event, { headers })];
    expect(again.body).toEqual({ ...first.body, duplicate: true });
  });

  it('is counted for a known sender when it does not fit, and not for an unknown one', async () => {
    const failures = async (): Promise<unknown> =>
      (
        await server.db
          .sql`select source, cluster_id, signature_failures::int as n from cert_sources where signature_failures > 0`
      ).map((row) => ({ ...row }));
    const event = eventBody({ source: 'lego', clusterId: 'aa:bb' });
    const headers = {
      ...signed(event, { at: now, source: 'lego', cluster: 'aa:bb' }),
      'x-cert-signature': '0'.repeat(64),
    };
    const before = await server.countRows();
    expect(message(await server.post(event, { headers }))).toBe(invalid);
    expect(message(await server.post(event, { headers: { ...headers, 'x-cert-source': 'stranger' } }))).toBe(unknown);
    await waitFor(async () => expect(await failures()).toContainEqual({ source: 'lego', cluster_id: 'aa:bb', n: 1 }), {
      what: 'the failure to be counted',
    });
    expect(JSON.stringify(await failures())).not.toContain('stranger');
    expect((await server.countRows())['certificate_lifecycle_events']).toBe(before['certificate_lifecycle_events']);
  });
});

describe('who signs', () => {
  it.each([
    ['both headers', { source: 'certbot', cluster: 'eu-1' }, {}],
    ['both headers in another form', { source: ' CERTBOT ', cluster: 'Eu-1' }, {}],
    ['the body where there are no headers', { source: undefined, cluster: undefined }, {}],
    ['the body where the headers are empty', { source: '', cluster: '  ' }, {}],
    ['the source header and the body', { source: 'certbot', cluster: undefined }, {}],
    ['the cluster header and the body', { source: undefined, cluster: 'eu-1' }, {}],
    ['the body in another form', { source: undefined, cluster: undefined }, { source: ' CertBot', clusterId: 'EU-1 ' }],
    ['the headers where the body says nothing', {}, { source: undefined, clusterId: undefined }],
  ])('is told by %s', async (_, sign, fields) => {
    const body = eventBody(fields);
    const answer = await server.post(body, { headers: signed(body, { at: now, ...sign }) });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ provenanceVerified: true, provenanceSubject: 'certbot:eu-1' });
  });

  it('is cert_manager where neither header nor body says otherwise', async () => {
    const body = eventBody({ source: undefined });
    const answer = await server.post(body, { headers: signed(body, { at: now, key: 'a=b==', source: undefined }) });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ source: 'cert_manager', provenanceSubject: 'cert_manager:eu-1' });
  });

  it.each([
    ['no cluster at all', { cluster: undefined }, { clusterId: undefined }],
    ['another cluster', { cluster: 'eu-2' }, { clusterId: 'eu-2' }],
    ['a source of the prototype', { source: '__proto__', cluster: 'eu-1' }, {}],
    ['the header that was sent twice', { source: 'certbot, certbot' }, {}],
    ['a body that is no object', { source: undefined, cluster: undefined }, null],
    [
      'a colon moved from the cluster into the source',
      { source: 'lego:aa', cluster: 'bb' },
      { source: 'lego:aa', clusterId: 'bb' },
    ],
    [
      'a colon moved, told by the body',
      { source: undefined, cluster: undefined },
      { source: 'lego:aa', clusterId: 'bb' },
    ],
  ])('is unknown with %s', async (_, sign, fields) => {
    const body = fields === null ? [] : eventBody(fields);
    expect(message(await server.post(body, { headers: signed(body, { at: now, ...sign }) }))).toBe(unknown);
  });

  it('keeps a colon in its cluster', async () => {
    const body = eventBody({ source: 'lego', clusterId: 'aa:bb' });
    const answer = await server.post(body, { headers: signed(body, { at: now, source: 'lego', cluster: 'aa:bb' }) });
    expect(answer.body).toMatchObject({ provenanceSubject: 'lego:aa:bb', clusterId: 'aa:bb' });
  });

  it('cannot lend its signature to another source', async () => {
    const body = eventBody({ source: 'cert_manager' });
    const answer = await server.post(body, { headers: signed(body, { at: now }) });
    expect(message(answer)).toBe('x-cert-source header does not match source body field');
    const without = signed(body, { at: now, source: undefined });
    expect(message(await server.post(body, { headers: without }))).toBe(invalid);
  });

  it('is nobody where provenance is required and no key is known', async () => {
    const env = { CERT_EVENT_REQUIRE_PROVENANCE: 'true' };
    const keyless = await startIngest({ databaseUrl: database.url, env, now });
    const body = eventBody();
    expect(message(await keyless.post(body, { headers: signed(body, { at: now }) }))).toBe(unknown);
    await keyless.close();
  });
});

describe('a key in rotation', () => {
  it('rejects nothing under load, whichever of its secrets signs', async () => {
    const send = async (index: number): Promise<number> => {
      const body = eventBody();
      const key = index % 2 === 0 ? older : secret;
      return (await server.post(body, { headers: signed(body, { at: now, key }) })).status;
    };
    const statuses = await Promise.all(Array.from({ length: 1000 }, (_, index) => send(index)));
    expect(new Set(statuses)).toEqual(new Set([202]));
  });
});
