import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { customDomains } from '../../src/db/schema.ts';
import { domainOf } from '../support/api.ts';
import {
  eventBody,
  ingestToken,
  type IngestAnswer,
  type PostOptions,
  secret,
  signed,
  startIngest,
  type TestIngest,
} from '../support/ingest.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const now = Date.UTC(2026, 4, 1, 12);
const bound = ['*.example.com', 'plain.example.org'];
const keys = [
  { source: 'certbot', cluster: 'eu-1', secrets: ['the old one', secret], domains: bound },
  { source: 'certbot', cluster: 'us-1', secrets: [secret], domains: bound },
  { source: 'lego', cluster: 'eu-1', secrets: [secret], domains: bound },
  { source: 'lego', cluster: 'us-1', secrets: [secret], domains: bound },
  { source: 'free', cluster: 'eu-1', secrets: [secret] },
];

let database: TestDatabase;
let strict: TestIngest;
let open: TestIngest;
const boundDomain = domainOf({ domain: 'known.example.com' });
const otherDomain = domainOf({ domain: 'known.example.net' });

beforeAll(async () => {
  database = await createTestDatabase();
  const env = { CERT_EVENT_SOURCE_KEYS: JSON.stringify(keys) };
  strict = await startIngest({ databaseUrl: database.url, env, now });
  open = await startIngest({ databaseUrl: database.url, now });
  await open.db.orm.insert(customDomains).values([boundDomain, otherDomain]);
});
afterAll(async () => {
  await strict.close();
  await open.close();
  await database.drop();
});

const told = ({ status, body }: IngestAnswer) => [status, body['message']];
const sendSigned = (body: unknown, sign: Partial<Parameters<typeof signed>[1]> = {}, options: PostOptions = {}) =>
  strict.post(body, { headers: { ...signed(body, { at: now, ...sign }), ...options.headers } });

/** A request that is in order, to be spoilt. */
const draft = () => ({
  token: ingestToken as string | undefined,
  type: 'application/json',
  encoding: undefined as string | undefined,
  source: 'certbot',
  cluster: 'eu-1',
  timestamp: String(now / 1000) as string | undefined,
  signature: (right: string): string | undefined => right,
  pad: 0,
  fields: eventBody(),
});
type Draft = ReturnType<typeof draft>;

const submit = (server: TestIngest, request: Draft): Promise<IngestAnswer> => {
  const { token, type, encoding, source, cluster, timestamp, pad, fields } = request;
  const body = JSON.stringify(pad === 0 ? fields : { ...fields, note: 'x'.repeat(pad) });
  const right = signed(body, { at: Number.isFinite(Number(timestamp)) ? Number(timestamp) * 1000 : now });
  return server.post(body, {
    headers: {
      'content-type': type,
      'content-encoding': encoding,
      'x-cert-event-token': token,
      'x-cert-source': source,
      'x-cert-cluster': cluster,
      'x-cert-timestamp': timestamp,
      'x-cert-signature': request.signature(right['x-cert-signature'] ?? ''),
    },
  });
};

interface Defect {
  readonly what: string;
  readonly status: number;
  readonly message: string;
  /** What it changes; two defects that change the same thing are not combined. */
  readonly touches: readonly string[];
  readonly spoil: (request: Draft) => void;
}

const defect = (
  what: string,
  status: number,
  message: string,
  touches: readonly string[],
  spoil: (request: Draft) => void,
): Defect => ({ what, status, message, touches, spoil });

const maxText = `The body is larger than ${256 * 1024} bytes`;
const jsonOnly = 'Send the event as application/json without Content-Encoding';
const noType = 'Unable to resolve eventType from payload; provide eventType or callbackClass/callbackAction mapping';

/** Every row of the contract's table that one request can break by itself, in the order of the checks. */
const defects: readonly Defect[] = [
  defect('a wrong token', 401, 'Invalid certificate ingest token', ['token'], (r) => (r.token = 'wrong token')),
  defect('a body that is not JSON by its type', 415, jsonOnly, ['type'], (r) => (r.type = 'text/plain')),
  defect('a body over the limit', 413, maxText, ['pad'], (r) => (r.pad = 300_000)),
  defect(
    'an unknown identity',
    401,
    'Unknown certificate source/cluster identity',
    ['source'],
    (r) => (r.source = 'nobody'),
  ),
  defect(
    'a timestamp with letters',
    401,
    'Invalid certificate timestamp',
    ['timestamp'],
    (r) => (r.timestamp = '123abc'),
  ),
  defect('an old timestamp', 401, 'Certificate signature timestamp expired', ['timestamp'], (r) => {
    r.timestamp = String(now / 1000 - 301);
  }),
  defect('a wrong signature', 401, 'Invalid certificate signature', ['signature'], (r) => {
    r.signature = (right) => right.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  }),
  defect('a field out of its rule', 400, 'certificateRef must have at most 255 characters', ['ref'], (r) => {
    r.fields['certificateRef'] = 'x'.repeat(256);
  }),
  defect('a class alone', 400, 'callbackClass and callbackAction must be provided together', ['kind'], (r) => {
    r.fields['callbackClass'] = 'renewal';
  }),
  defect(
    'a type that its class and action deny',
    400,
    'callbackClass/callbackAction map to renewal_failed but eventType is renewal_succeeded',
    ['kind'],
    (r) => Object.assign(r.fields, { callbackClass: 'renewal', callbackAction: 'failed' }),
  ),
  defect('no type', 400, noType, ['kind'], (r) => delete r.fields['eventType']),
  defect(
    'another source in its header',
    400,
    'x-cert-source header does not match source body field',
    ['source'],
    (r) => {
      r.source = 'lego';
    },
  ),
  defect(
    'another cluster in its header',
    400,
    'x-cert-cluster header does not match clusterId body field',
    ['cluster'],
    (r) => {
      r.cluster = 'us-1';
    },
  ),
  defect('a domain it is not bound to', 403, 'Source is not allowed to report this domain', ['domain'], (r) => {
    r.fields['domain'] = 'shop.example.net';
  }),
  defect('an unknown domainId', 404, 'Custom domain not found for domainId', ['domainId'], (r) => {
    r.fields['domainId'] = randomUUID();
  }),
  defect('neither domain nor domainId', 400, 'domain or domainId is required', ['domain', 'domainId'], (r) => {
    delete r.fields['domain'];
  }),
];

describe('the answers, in the order of their checks', () => {
  it('accepts the request that is spoilt below', async () => {
    expect((await submit(strict, draft())).status).toBe(202);
  });

  it.each(defects)('$what: $status', async ({ status, message, spoil }) => {
    const request = draft();
    spoil(request);
    const answer = await submit(strict, request);
    expect(told(answer)).toEqual([status, message]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(Object.keys(answer.body).toSorted()).toEqual(['detail', 'message', 'status', 'title', 'type']);
    expect(answer.body).toMatchObject({ type: 'about:blank', status, detail: message });
  });

  it('tells the first of any two that one request breaks', async () => {
    const pairs = defects.flatMap((first, index) =>
      defects
        .slice(index + 1)
        .filter((second) => !second.touches.some((thing) => first.touches.includes(thing)))
        .map((second) => ({ first, second })),
    );
    expect(pairs.length).toBeGreaterThan(100);
    const found = await Promise.all(
      pairs.map(async ({ first, second }) => {
        const request = draft();
        // The later one first, so that it is not the order of spoiling that decides.
        second.spoil(request);
        first.spoil(request);
        return { pair: `${first.what} and ${second.what}`, answer: told(await submit(strict, request)) };
      }),
    );
    expect(found).toEqual(
      pairs.map(({ first, second }) => ({
        pair: `${first.what} and ${second.what}`,
        answer: [first.status, first.message],
      })),
    );
  }, 20_000);

  it('is 503 for every request where no token is configured', async () => {
    const server = await startIngest({ databaseUrl: database.url, env: { CERT_EVENT_INGEST_TOKEN: '' }, now });
    const message = 'Certificate event ingest token is not configured';
    for (const { spoil } of [{ spoil: () => undefined }, ...defects]) {
      const request = draft();
      spoil(request);
      expect(told(await submit(server, request))).toEqual([503, message]);
    }
    await server.close();
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['longer by one', `${ingestToken}x`],
    ['shorter by one', ingestToken.slice(0, -1)],
    ['in another case', ingestToken.toUpperCase()],
  ])('refuses a token that is %s', async (_, token) => {
    const answer = await open.post(eventBody(), { headers: { 'x-cert-event-token': token } });
    expect(told(answer)).toEqual([401, 'Invalid certificate ingest token']);
  });

  it('trims the token', async () => {
    const answer = await open.post(eventBody(), { headers: { 'x-cert-event-token': ` \t${ingestToken} ` } });
    expect(answer.status).toBe(202);
  });
});

describe('an accepted event', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  it('is answered with its id and without provenance where none is required', async () => {
    const { status, body } = await open.post(eventBody({ source: undefined, clusterId: undefined }));
    expect(status).toBe(202);
    expect(body).toEqual({
      ok: true,
      eventId: expect.stringMatching(uuid),
      status: 'pending',
      source: 'cert_manager',
      clusterId: null,
      provenanceVerified: false,
      provenanceSubject: null,
    });
  });

  it('is answered with the subject that signed it', async () => {
    const { status, body } = await sendSigned(eventBody());
    expect(status).toBe(202);
    expect(body).toEqual({
      ok: true,
      eventId: expect.stringMatching(uuid),
      status: 'pending',
      source: 'certbot',
      clusterId: 'eu-1',
      provenanceVerified: true,
      provenanceSubject: 'certbot:eu-1',
    });
    const [row] = await strict.db.sql`
      select source, cluster_id, provenance_subject, provenance_verified, status, domain, domain_id
      from certificate_lifecycle_events where id = ${String(body['eventId'])}`;
    expect(row).toEqual({
      source: 'certbot',
      cluster_id: 'eu-1',
      provenance_subject: 'certbot:eu-1',
      provenance_verified: true,
      status: 'pending',
      domain: 'shop.example.com',
      domain_id: null,
    });
  });

  it('is in the ledger and handed to the queue once it is answered', async () => {
    const { body } = await open.post(eventBody());
    expect(open.queues.groups.flatMap(({ eventIds }) => eventIds)).toContain(body['eventId']);
  });

  it('is answered as a duplicate, with the first id and its present status, when it comes again', async () => {
    const event = eventBody();
    const first = await open.post(event);
    const second = await open.post(event);
    expect(second.status).toBe(202);
    expect(second.body).toEqual({ ...first.body, duplicate: true });

    await open.db
      .sql`update certificate_lifecycle_events set status = 'applied' where id = ${String(first.body['eventId'])}`;
    const third = await open.post(event);
    expect(third.body).toEqual({ ...first.body, status: 'applied', duplicate: true });
    const [row] = await open.db.sql`
      select count(*)::int as n from certificate_lifecycle_events where source_event_id = ${String(event['sourceEventId'])}`;
    expect(row).toEqual({ n: 1 });
    expect(
      open.queues.groups.flatMap(({ eventIds }) => eventIds).filter((id) => id === first.body['eventId']),
    ).toHaveLength(1);
  });

  it('is queued again when it comes again after it had failed', async () => {
    const event = eventBody();
    const first = await open.post(event);
    const id = String(first.body['eventId']);
    await open.db.sql`update certificate_lifecycle_events set status = 'failed', retry_count = 6 where id = ${id}`;
    const second = await open.post(event);
    expect(second.status).toBe(202);
    expect(second.body).toEqual({ ...first.body, status: 'pending', duplicate: true });
    expect(open.queues.jobs.filter((job) => job.id === id)).toEqual([{ id, generation: 1, tries: 0, delayMs: 0 }]);
    const [row] = await open.db
      .sql`select status, generation, retry_count from certificate_lifecycle_events where id = ${id}`;
    expect(row).toEqual({ status: 'pending', generation: 1, retry_count: 0 });
  });

  it('is the same whatever the order of its keys, its spaces and its escapes are', async () => {
    const event = eventBody({ payload: { b: [1, { c: null }], a: 'é' } });
    const first = await open.post(event);
    const turned = Object.fromEntries(Object.entries(event).toReversed());
    const respaced = JSON.stringify(turned, null, 3).replace('é', '\\u00e9');
    expect((await open.post(respaced)).body).toEqual({ ...first.body, duplicate: true });
  });

  it.each([
    ['another type', { eventType: 'renewal_failed' }],
    ['another domain', { domain: 'other.example.com' }],
    ['another reason', { reason: 'other' }],
    ['another payload', { payload: { a: 1 } }],
    ['another end', { notAfter: '2027-01-01T00:00:00Z' }],
  ])('is 409 under the same identity with %s', async (_, other) => {
    const event = eventBody();
    expect((await open.post(event)).status).toBe(202);
    expect(told(await open.post({ ...event, ...other }))).toEqual([
      409,
      'Event identity already used with different content',
    ]);
  });

  it.each([
    ['another source', { source: 'lego' }],
    ['another cluster', { clusterId: 'us-1' }],
    ['no cluster', { clusterId: undefined }],
  ])('is another event with %s', async (_, other) => {
    const event = eventBody();
    const first = await open.post(event);
    const second = await open.post({ ...event, ...other });
    expect(second.status).toBe(202);
    expect(second.body).not.toHaveProperty('duplicate');
    expect(second.body['eventId']).not.toBe(first.body['eventId']);
  });

  it('is new each time without an identity of its own', async () => {
    const event = eventBody({ sourceEventId: undefined });
    const answers = await Promise.all([open.post(event), open.post(event)]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(answers[0]?.body['eventId']).not.toBe(answers[1]?.body['eventId']);
  });

  it('is written once when many send it at the same time', async () => {
    const event = eventBody();
    const answers = await Promise.all(Array.from({ length: 100 }, () => open.post(event)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
    expect(new Set(answers.map(({ body }) => body['eventId'])).size).toBe(1);
    expect(answers.filter(({ body }) => body['duplicate'] !== true)).toHaveLength(1);
  });

  it('goes by the name of its domainId', async () => {
    const event = eventBody({ domain: undefined, domainId: boundDomain.id?.toUpperCase() });
    const { status, body } = await open.post(event);
    expect(status).toBe(202);
    const [row] = await open.db.sql`
      select domain, domain_id from certificate_lifecycle_events where id = ${String(body['eventId'])}`;
    expect(row).toEqual({ domain: 'known.example.com', domain_id: boundDomain.id });
  });

  it('may give both its domain and its domainId when they agree', async () => {
    expect((await open.post(eventBody({ domain: 'KNOWN.example.com.', domainId: boundDomain.id }))).status).toBe(202);
    const answer = await open.post(eventBody({ domainId: boundDomain.id }));
    expect(told(answer)).toEqual([400, 'domain is not the one that domainId names']);
  });
});

describe('names in headers', () => {
  it.each([
    ['x-cert-source', 'x', 'x-cert-source must have 2 to 80 characters'],
    ['x-cert-source', 'x'.repeat(81), 'x-cert-source must have 2 to 80 characters'],
    [
      'x-cert-source',
      Array.from({ length: 700 }, () => randomUUID())
        .join('')
        .slice(0, 15_000),
      'x-cert-source must have 2 to 80 characters',
    ],
    ['x-cert-cluster', 'x', 'x-cert-cluster must have 2 to 120 characters'],
    ['x-cert-cluster', 'x'.repeat(121), 'x-cert-cluster must have 2 to 120 characters'],
  ])('obey the rules of the body where nobody has verified them: %s %#', async (name, value, message) => {
    const answer = await open.post(eventBody({ source: undefined, clusterId: undefined }), {
      headers: { [name]: value },
    });
    expect(told(answer)).toEqual([400, message]);
  });

  it('stand in for what the body leaves out', async () => {
    const answer = await open.post(eventBody({ source: undefined, clusterId: undefined }), {
      headers: { 'x-cert-source': ' LEGO ', 'x-cert-cluster': '\tEU-9 ' },
    });
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ source: 'lego', clusterId: 'eu-9', provenanceVerified: false });
  });

  it('are compared with the body also where nothing is signed', async () => {
    const source = await open.post(eventBody(), { headers: { 'x-cert-source': 'lego' } });
    expect(told(source)).toEqual([400, 'x-cert-source header does not match source body field']);
    const cluster = await open.post(eventBody(), { headers: { 'x-cert-cluster': 'us-1' } });
    expect(told(cluster)).toEqual([400, 'x-cert-cluster header does not match clusterId body field']);
    const same = await open.post(eventBody({ source: ' CertBot ' }), { headers: { 'x-cert-source': 'CERTBOT' } });
    expect(same.status).toBe(202);
  });
});

describe('who may report which domain', () => {
  it.each([
    ['a name below the pattern', { domain: 'a.b.example.com' }, 202],
    ['a wildcard below the pattern', { domain: '*.example.com' }, 202],
    ['a name given in another form', { domain: ' Shop.EXAMPLE.com. ' }, 202],
    ['a name that is bound itself', { domain: 'plain.example.org' }, 202],
    ['the name the pattern hangs from', { domain: 'example.com' }, 403],
    ['a name that only ends like it', { domain: 'badexample.com' }, 403],
    ['a name below a plain one', { domain: 'a.plain.example.org' }, 403],
    ['a wildcard over a plain one', { domain: '*.example.org' }, 403],
    ['a bound name by its id', { domain: undefined, domainId: boundDomain.id }, 202],
    ['an unbound name by its id', { domain: undefined, domainId: otherDomain.id }, 403],
    ['a bound name with the id of an unbound one', { domainId: otherDomain.id }, 403],
  ])('%s: %s is %i', async (_, fields, status) => {
    const answer = await sendSigned(eventBody(fields));
    expect(answer.status).toBe(status);
    expect(answer.body['message']).toBe(status === 403 ? 'Source is not allowed to report this domain' : undefined);
  });

  it('is every domain where nothing is bound', async () => {
    const answer = await sendSigned(eventBody({ source: 'free', domain: 'any.example.net' }), { source: 'free' });
    expect(answer.status).toBe(202);
  });
});

describe('what is never told', () => {
  const marker = 'zq7marker';
  const names = ['x-cert-source', 'x-cert-cluster', 'x-cert-timestamp', 'x-cert-signature', 'x-cert-event-token'];
  const inHeaders = [...names, 'content-type', 'content-encoding'].map((name) => ({
    what: name,
    headers: { [name]: marker },
    fields: {},
  }));
  const values: Readonly<Record<string, string>> = {
    source: marker.repeat(20),
    clusterId: marker.repeat(20),
    sourceEventId: marker.repeat(40),
    domain: `${marker} .example`,
    certificateRef: marker.repeat(40),
    reason: marker.repeat(500),
  };
  const fields = ['source', 'clusterId', 'sourceEventId', 'domain', 'certificateRef', 'reason', 'domainId', 'payload'];
  const kinds = ['eventType', 'callbackClass', 'callbackAction', 'callbackAttempt', 'notAfter', 'occurredAt'];
  const inFields = [...fields, ...kinds].map((name) => ({
    what: `the field ${name}`,
    headers: {},
    fields: { [name]: values[name] ?? marker },
  }));
  const inKey = { what: 'a key', headers: {}, fields: { [marker]: 1, eventType: undefined } };

  it.each([...inHeaders, ...inFields, inKey])('is what was sent: $what', async ({ headers, fields: spoilt }) => {
    const body = eventBody(spoilt);
    const answers = await Promise.all([
      open.post(body, { headers }),
      strict.post(body, { headers: { ...signed(body, { at: now }), ...headers } }),
    ]);
    expect(answers.some(({ status }) => status >= 400)).toBe(true);
    for (const { status, text, headers: given } of answers) {
      expect(status).toBeLessThan(500);
      expect(status === 202 ? '' : text + JSON.stringify(given)).not.toContain('zq7');
    }
  });
});
