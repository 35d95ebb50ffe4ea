import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seeded } from '../support/driver.ts';
import {
  eventBody,
  ingestPath,
  ingestToken,
  type IngestAnswer,
  secret,
  signed,
  startIngest,
  type TestIngest,
} from '../support/ingest.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { headOf, openWire, type Wire } from '../support/wire.ts';

const now = Date.UTC(2026, 4, 1, 12);
const keys = `certbot:eu-1=${secret}`;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const told = ({ status, body }: IngestAnswer): unknown => (status === 202 ? 202 : [status, body['message']]);

/** Runs the work on a server with these settings, and ends it. */
const withServer = async (env: Readonly<Record<string, string>>, work: (server: TestIngest) => Promise<void>) => {
  const server = await startIngest({ databaseUrl: database.url, env, now });
  try {
    await work(server);
  } finally {
    await server.close();
  }
};

describe('rates', () => {
  const wrong = { headers: { 'x-cert-event-token': 'wrong token' } };

  it('slow an address down that fails to authenticate, and only then', () =>
    withServer({ CERT_INGEST_FAILURES_PER_MINUTE: '5' }, async (server) => {
      const honest = await Promise.all(many(300, () => server.post(eventBody())));
      expect(new Set(honest.map(({ status }) => status))).toEqual(new Set([202]));
      for (let failure = 0; failure < 4; failure += 1) expect((await server.post('', wrong)).status).toBe(401);
      const between = await Promise.all(many(100, () => server.post(eventBody())));
      expect(new Set(between.map(({ status }) => status))).toEqual(new Set([202]));
      expect((await server.post('', wrong)).status).toBe(401);
      const limited = await server.post(eventBody());
      expect(told(limited)).toEqual([429, 'Too many failed authentications from this address']);
      const wait = Number(limited.headers['retry-after']);
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(60);
    }));

  it('count every kind of failed authentication and no other refusal', () =>
    withServer({ CERT_INGEST_FAILURES_PER_MINUTE: '5', CERT_EVENT_SOURCE_KEYS: keys }, async (server) => {
      const event = eventBody();
      const right = signed(event, { at: now });
      for (let round = 0; round < 20; round += 1) {
        expect((await server.post('{', { headers: signed('{', { at: now }) })).status).toBe(400);
        expect((await server.post(event, { headers: { ...right, 'content-type': 'text/plain' } })).status).toBe(415);
      }
      const failures = [
        { 'x-cert-event-token': 'wrong token' },
        { ...right, 'x-cert-source': 'nobody' },
        { ...right, 'x-cert-timestamp': 'x' },
        { ...right, 'x-cert-timestamp': '1' },
        { ...right, 'x-cert-signature': '0'.repeat(64) },
      ];
      for (const headers of failures) expect((await server.post(event, { headers })).status).toBe(401);
      expect((await server.post(event, { headers: right })).status).toBe(429);
    }));

  it('hold one source without holding another', () =>
    withServer({ CERT_SOURCE_RATE_PER_SECOND: '20' }, async (server) => {
      const busy = await Promise.all(many(100, () => server.post(eventBody({ source: 'busy' }))));
      const quiet = await Promise.all(many(10, () => server.post(eventBody({ source: 'quiet' }))));
      const limited = busy.filter(({ status }) => status === 429);
      expect(limited.length).toBeGreaterThan(20);
      expect(limited.map(({ body, headers }) => [body['message'], headers['retry-after']])).toEqual(
        limited.map(() => ['This source is over its rate limit', '1']),
      );
      expect(busy.filter(({ status }) => status === 202).length).toBeGreaterThanOrEqual(20);
      expect(new Set(quiet.map(({ status }) => status))).toEqual(new Set([202]));
    }));

  it('count a source by who signed, not by who cannot', () =>
    withServer({ CERT_SOURCE_RATE_PER_SECOND: '5', CERT_EVENT_SOURCE_KEYS: keys }, async (server) => {
      const event = eventBody();
      const forged = { ...signed(event, { at: now }), 'x-cert-signature': '0'.repeat(64) };
      await Promise.all(many(50, () => server.post(event, { headers: forged })));
      expect((await server.post(event, { headers: signed(event, { at: now }) })).status).toBe(202);
    }));
});

describe('strangers', () => {
  const name = (): string => `s${randomUUID()}`;
  /** Bad requests of every kind, with names that never come again. */
  const bad = (server: TestIngest, index: number): Promise<IngestAnswer> => {
    const stranger = eventBody({ source: name(), clusterId: name(), domain: `${name()}.example` });
    const by = { source: name(), cluster: name() };
    switch (index % 6) {
      case 0:
        return server.post(stranger, { headers: { 'x-cert-event-token': name() } });
      case 1:
        return server.post(stranger, { headers: signed(stranger, { at: now, ...by }) });
      case 2:
        return server.post(stranger, { headers: { 'content-type': `text/${name()}` } });
      case 3:
        return server.post(stranger, { headers: signed(stranger, { at: now, source: undefined, cluster: undefined }) });
      case 4:
        return server.post(
          { ...stranger, eventType: name() },
          { headers: signed({ ...stranger, eventType: name() }, { at: now }) },
        );
      default:
        return server.post({ [name()]: name() }, { headers: signed(stranger, { at: now }) });
    }
  };
  const series = async (server: TestIngest): Promise<string[]> =>
    (await server.ctx.metrics.registry.metrics())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.replace(/ \S+$/, ''))
      .toSorted((a, b) => (a < b ? -1 : 1));

  it('leave no row and no series behind, and no memory', async () => {
    const env = { CERT_EVENT_SOURCE_KEYS: keys, CERT_INGEST_FAILURES_PER_MINUTE: '1000000' };
    await withServer(env, async (server) => {
      setFlagsFromString('--expose_gc');
      const collect: unknown = runInNewContext('gc');
      const heap = (): number => {
        if (typeof collect === 'function') collect();
        return process.memoryUsage().heapUsed;
      };
      const storm = async (requests: number): Promise<void> => {
        for (let sent = 0; sent < requests; sent += 100) {
          const answers = await Promise.all(many(100, (index) => bad(server, sent + index)));
          expect(answers.filter(({ status }) => status < 400 || status >= 500)).toEqual([]);
        }
      };
      await storm(2000);
      const [rows, labels, before] = [await server.countRows(), await series(server), heap()];
      await storm(18_000);
      expect(await server.countRows()).toEqual(rows);
      expect(rows['certificate_lifecycle_events']).toBeDefined();
      expect(await series(server)).toEqual(labels);
      expect(heap() - before).toBeLessThan(8_000_000);
    });
  }, 60_000);

  it('who hold the token but sign nothing fill a bounded number of series', async () => {
    await withServer({}, async (server) => {
      const before = (await series(server)).length;
      await Promise.all(many(400, () => server.post(eventBody({ source: name() }))));
      const after = await series(server);
      expect(after.length - before).toBeLessThanOrEqual(110);
      expect(after.some((line) => line.includes('source="other"'))).toBe(true);
    });
  });
});

describe('the wire', () => {
  let server: TestIngest;
  let rows: Readonly<Record<string, number>>;
  beforeAll(async () => {
    server = await startIngest({ databaseUrl: database.url, env: { CERT_INGEST_FAILURES_PER_MINUTE: '1000000' }, now });
    rows = await server.countRows();
  });
  afterAll(() => server.close());

  const post = `POST ${ingestPath} HTTP/1.1`;
  const base = [
    ['Host', 'localhost'],
    ['Content-Type', 'application/json'],
    ['X-Cert-Event-Token', ingestToken],
  ] as const;
  const open = (): Promise<Wire> => openWire(server.port);
  const body = (): string => JSON.stringify(eventBody());
  const length = (text: string) => ['Content-Length', String(Buffer.byteLength(text))] as const;

  beforeEach(async () => {
    rows = await server.countRows();
  });
  const expectNoRow = async (): Promise<void> => expect(await server.countRows()).toEqual(rows);

  const text = body();
  const chunked = ['Transfer-Encoding', 'chunked'] as const;
  const chunks = `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`;
  it.each([
    ['a length and chunks', headOf(post, [...base, length(text), chunked]) + chunks],
    ['chunks and a length', headOf(post, [...base, chunked, length(text)]) + chunks],
    [
      'chunks that are not the last coding',
      headOf(post, [...base, ['Transfer-Encoding', 'chunked, identity']]) + chunks,
    ],
    ['an unknown coding', headOf(post, [...base, ['Transfer-Encoding', 'xchunked']]) + chunks],
    ['two lengths', headOf(post, [...base, length(text), ['Content-Length', '5']]) + text],
    ['the same length twice', headOf(post, [...base, length(text), length(text)]) + text],
    ['a length with a sign', headOf(post, [...base, ['Content-Length', '+5']]) + text],
    ['a negative length', headOf(post, [...base, ['Content-Length', '-1']]) + text],
    ['a length past all numbers', headOf(post, [...base, ['Content-Length', '9'.repeat(30)]]) + text],
    ['a chunk size that is none', `${headOf(post, [...base, chunked])}zz\r\n${text}\r\n0\r\n\r\n`],
    ['a chunk size past all numbers', `${headOf(post, [...base, chunked])}${'f'.repeat(40)}\r\n${text}`],
    ['a chunk longer than it says', `${headOf(post, [...base, chunked])}5\r\n${text}\r\n0\r\n\r\n`],
    ['a header that is folded', headOf(post, [...base, ['X-A', 'b\r\n c']]) + text],
    ['a blank before a colon', headOf(post, [...base, ['Content-Length ', '5']]) + text],
    ['a NUL in a header', headOf(post, [...base, ['X-A', '\0']]) + text],
    ['a bare line feed in its head', `${post}\nHost: x\n\n`],
    ['no host', headOf(post, base.slice(1)) + text],
    ['no such method', headOf(`PST ${ingestPath} HTTP/1.1`, base)],
    ['no such version', headOf(`POST ${ingestPath} HTTP/3.0`, base)],
    ['a head over 16 KiB', headOf(post, [...base, ['X-A', 'x'.repeat(20_000)]])],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex').toString('latin1')],
  ])('is closed after %s, without an event', async (_, bytes) => {
    const wire = await open();
    wire.send(Buffer.from(bytes, 'latin1'));
    const answer = await wire.answer().catch(() => null);
    expect(answer?.status ?? 400).toBeGreaterThanOrEqual(400);
    expect(answer?.status ?? 400).toBeLessThan(500);
    await wire.untilClosed(3000);
    await expectNoRow();
  });

  it.each([
    ['its token twice', [['X-Cert-Event-Token', ingestToken]], 401],
    ['a wrong token after the right one', [['X-Cert-Event-Token', 'wrong']], 401],
    [
      'a content encoding twice',
      [
        ['Content-Encoding', 'identity'],
        ['Content-Encoding', 'identity'],
      ],
      415,
    ],
    [
      'a source twice',
      [
        ['X-Cert-Source', 'certbot'],
        ['X-Cert-Source', 'certbot'],
      ],
      400,
    ],
  ] as const)('is refused with %s', async (_, more, status) => {
    const wire = await open();
    wire.send(headOf(post, [...base, ...more, length(text)]) + text);
    expect((await wire.answer()).status).toBe(status);
    await expectNoRow();
    wire.close();
  });

  it('takes no second request from inside a body', async () => {
    const inner = headOf(post, [...base, length(text)]) + text;
    const wire = await open();
    wire.send(headOf(post, [['Host', 'x'], ['Content-Type', 'text/plain'], length(inner)]) + inner);
    expect((await wire.answer()).status).toBe(401);
    const last = body();
    wire.send(headOf(post, [...base, length(last)]) + last);
    expect((await wire.answer()).status).toBe(202);
    expect(wire.rest()).toBe('');
    expect((await server.countRows())['certificate_lifecycle_events']).toBe(
      (rows['certificate_lifecycle_events'] ?? 0) + 1,
    );
    wire.close();
  });

  it.each([
    ['a wrong token', { 'X-Cert-Event-Token': 'wrong' }, text, 401],
    ['another type', { 'Content-Type': 'text/plain' }, text, 415],
    ['a body over the limit', {}, 'x'.repeat(400_000), 413],
    ['a body that is no JSON', {}, '{'.repeat(1000), 400],
  ] as const)('stays usable after %s', async (_, headers, bytes, status) => {
    const merged = new Map<string, string>([...base, ...Object.entries(headers)]);
    const wire = await open();
    for (let round = 0; round < 3; round += 1) {
      wire.send(headOf(post, [...merged, length(bytes)]) + bytes);
      expect((await wire.answer()).status).toBe(status);
    }
    await expectNoRow();
    const good = body();
    wire.send(headOf(post, [...base, length(good)]) + good);
    expect((await wire.answer()).status).toBe(202);
    wire.close();
  });

  it('answers 413 to a sender that declares too much and waits, and to one that never stops', async () => {
    const patient = await open();
    patient.send(headOf(post, [...base, ['Content-Length', '10000000']]));
    expect((await patient.answer(5000)).status).toBe(413);
    patient.close();
    const endless = await open();
    endless.send(headOf(post, [...base, chunked]));
    const timer = setInterval(() => endless.send(`10000\r\n${'x'.repeat(65_536)}\r\n`), 5);
    const answer = await endless.answer(8000);
    expect(answer.status).toBe(413);
    await endless.untilClosed(5000);
    clearInterval(timer);
    await expectNoRow();
  });

  it('answers a sender that asks before it sends', async () => {
    const wire = await open();
    const good = body();
    wire.send(headOf(post, [...base, length(good), ['Expect', '100-continue']]));
    expect((await wire.answer()).status).toBe(100);
    wire.send(good);
    expect((await wire.answer()).status).toBe(202);
    wire.close();
  });

  it('survives senders that go away in the middle', async () => {
    await Promise.all(
      many(50, async (index) => {
        const wire = await open();
        const whole = headOf(post, [...base, length(text)]) + text;
        wire.send(whole.slice(0, Math.floor((whole.length * index) / 50)));
        await new Promise((resolve) => setTimeout(resolve, index));
        if (index % 2 === 0) wire.socket.resetAndDestroy();
        else wire.close();
      }),
    );
    await expectNoRow();
    expect((await server.post(eventBody())).status).toBe(202);
  });
});

describe('mutations of a request that is in order', () => {
  const seed = 20_260_501;
  const budgetMs = 6000;

  it('never give a fault of the server, never end it and never leave a row', async () => {
    const env = { CERT_EVENT_SOURCE_KEYS: keys, CERT_INGEST_FAILURES_PER_MINUTE: '1000000' };
    await withServer(env, async (server) => {
      const rows = await server.countRows();
      const random = seeded(seed);
      const below = (n: number): number => Math.floor(random() * n);
      const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)];
      const event = JSON.stringify(eventBody({ payload: { a: [1, 'é', null] }, notAfter: '2026-08-01T00:00:00Z' }));
      const headers = Object.entries(signed(event, { at: now })).map(([name, value]) => [name, value ?? ''] as const);
      const whole = Buffer.from(
        headOf(`POST ${ingestPath} HTTP/1.1`, [
          ['Host', 'localhost'],
          ['Content-Type', 'application/json'],
          ['X-Cert-Event-Token', ingestToken],
          ['Content-Length', String(Buffer.byteLength(event))],
          ...headers,
        ]) + event,
      );
      const body = whole.indexOf('\r\n\r\n') + 4;
      const pieces = [
        '\r\n',
        '\0',
        '\u{FEFF}',
        '{',
        '"',
        '\\ud800',
        ':',
        ' ',
        '%00',
        '../',
        'chunked',
        '-1',
        '[[[[',
        '\n',
        ',',
        '}',
        '\t',
        'ÿ',
      ];
      /** Changes at least one byte that is signed or that says who signs; what is only spelled in another way may be accepted. */
      const mutate = (): Buffer => {
        let bytes = Buffer.from(whole);
        for (let change = 0; change <= below(4); change += 1) {
          const at = random() < 0.5 ? body + below(bytes.length - body) : below(bytes.length);
          const end = Math.min(bytes.length, at + 1 + below(12));
          switch (below(6)) {
            case 0:
              bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
              break;
            case 1:
              bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick(pieces) ?? ''), bytes.subarray(at)]);
              break;
            case 2:
              bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
              break;
            case 3:
              bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)]);
              break;
            case 4:
              bytes = Buffer.concat([bytes.subarray(0, at), randomFrom(random, below(20)), bytes.subarray(end)]);
              break;
            default:
              bytes = Buffer.from(bytes.subarray(0, at));
          }
        }
        return bytes;
      };
      const seen = new Map<number, number>();
      const faults: string[] = [];
      const identity = String(JSON.parse(event).sourceEventId);
      const deadline = performance.now() + budgetMs;
      const attacker = async (): Promise<void> => {
        while (performance.now() < deadline) {
          const bytes = mutate();
          const wire = await openWire(server.port);
          wire.send(bytes);
          wire.socket.end();
          await wire.untilClosed(8000);
          const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(wire.rest())?.[1] ?? 0);
          seen.set(status, (seen.get(status) ?? 0) + 1);
          if (status >= 500) faults.push(bytes.toString('latin1'));
        }
      };
      await Promise.all(many(16, attacker));
      expect(faults).toEqual([]);
      // A change that no signature covers (a header nobody reads, bytes after the body) leaves the event as it was signed.
      const known = await server.db.sql<{ domain: string; payload: unknown }[]>`
        select domain, payload_json as payload from certificate_lifecycle_events where source_event_id = ${identity}`;
      const intact = { domain: 'shop.example.com', payload: { a: [1, 'é', null] } };
      expect(known.map((row) => ({ ...row }))).toEqual(known.length === 0 ? [] : [intact]);
      const after = await server.countRows();
      const before = rows['certificate_lifecycle_events'] ?? 0;
      expect(after['certificate_lifecycle_events']).toBe(before + known.length);
      expect([...seen.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThan(1000);
      expect([400, 401].every((status) => seen.has(status))).toBe(true);
      const fresh = eventBody();
      expect((await server.post(fresh, { headers: signed(fresh, { at: now }) })).status).toBe(202);
    });
  }, 40_000);
});

const randomFrom = (random: () => number, length: number): Buffer =>
  Buffer.from(many(length, () => Math.floor(random() * 256)));
