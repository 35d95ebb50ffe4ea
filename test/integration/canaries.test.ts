import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../../src/app.ts';
import { variables } from '../../src/config-variables.ts';
import { parseConfig } from '../../src/config.ts';
import { createApp } from '../../src/http/app.ts';
import { ingestSink } from '../../src/http/ingest-sink.ts';
import { type Door, rulesOf, samplePath } from '../../src/http/rules.ts';
import { signEvent } from '../../src/lifecycle/signature.ts';
import { startReceiver, type Receiver } from '../notify/receiver.ts';
import { createTestApi } from '../support/api.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

// Every secret that the program is given or that is presented to it is a word that stands nowhere else. Then every route is
// asked, and everything that leaves or stays is searched for these words.

const run = randomBytes(6).toString('hex');
const canary = (name: string): string =>
  `canary${createHash('sha256').update(`${run}${name}`).digest('hex').slice(0, 24)}`;

/** Secrets of the configuration, by their variable. */
const configured = {
  DATABASE_URL: canary('database'),
  REDIS_URL: canary('redis'),
  CERT_EVENT_INGEST_TOKEN: canary('ingest'),
  CERT_EVENT_SOURCE_KEYS: canary('source key'),
  CERT_ADMIN_TOKENS: canary('admin'),
  CERT_ALERT_WEBHOOK_URL: canary('alert url'),
  CERT_ALERT_WEBHOOK_SECRET: canary('alert secret'),
  CERT_RUNBOOK_WEBHOOK_URL: canary('runbook url'),
  CERT_RUNBOOK_SIGNING_SECRET: canary('runbook secret'),
  CERT_NOTIFY_CHANNELS: canary('channels'),
  NOTAFTER_OIDC_CLIENT_SECRET: canary('oidc'),
  CERT_AUDIT_SIGNING_SECRET: canary('audit'),
} as const;
/** Variables whose names sound like a secret and hold none. */
const harmless = ['NOTAFTER_PUBLIC_URL'];
/** What callers present, rightly or wrongly. */
const presented = {
  ingest: canary('wrong ingest token'),
  signature: createHash('sha256').update(run).digest('hex'),
  bearer: canary('wrong bearer token'),
  login: canary('wrong login token'),
  field: canary('field of a body'),
  query: canary('value of a query'),
  cookie: canary('wrong cookie'),
  relay: canary('relay token'),
};
/** Made while the test runs: the cookie of a session, a token. */
const made = new Map<string, string>();

const chunks: string[] = [];
const log = pino({ level: 'trace' }, { write: (line: string) => void chunks.push(line) });

let database: TestDatabase;
let redis: TestRedis;
let receiver: Receiver;
let app: RunningApp;
let url: string;
let directory: string;
let role: string;
let su: postgres.Sql;
let doors: Door[];
/** What was answered: where, and all of it. */
const answers: { what: string; text: string }[] = [];

const channels = (port: number): string => {
  const at = (name: string): string => `http://127.0.0.1:${port}/${configured.CERT_NOTIFY_CHANNELS}/${name}`;
  const key = configured.CERT_NOTIFY_CHANNELS;
  return JSON.stringify({
    channels: {
      slack: { type: 'slack', url: at('slack') },
      teams: { type: 'teams', url: at('teams') },
      hook: { type: 'webhook', url: at('hook'), secret: key },
      pager: { type: 'pagerduty', routingKey: key, url: at('pager') },
      opsgenie: { type: 'opsgenie', apiKey: key, url: at('opsgenie') },
      mail: {
        type: 'email',
        host: '127.0.0.1',
        port,
        requireTls: false,
        user: 'u',
        password: key,
        from: 'a@a.example',
        to: 'b@b.example',
      },
      dead: { type: 'webhook', url: `http://127.0.0.1:1/${key}` },
    },
    routes: [{ channels: ['slack', 'teams', 'hook', 'pager', 'opsgenie', 'mail', 'dead'] }],
  });
};

const withPassword = (from: string, user: string | null, password: string): string => {
  const address = new URL(from);
  if (user !== null) address.username = user;
  address.password = password;
  return address.href;
};

const environment = (): Record<string, string> => ({
  DATABASE_URL: withPassword(database.url, role, configured.DATABASE_URL),
  REDIS_URL: withPassword(redis.url, 'default', configured.REDIS_URL),
  PORT: '0',
  CERT_METRICS_PORT: '0',
  NOTAFTER_HOST: '127.0.0.1',
  NOTAFTER_DATA_DIR: directory,
  CERT_WORKER_INTERVAL_SECONDS: '1',
  CERT_PROBE_FALLBACK_ENABLED: 'false',
  CERT_WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
  CERT_EVENT_INGEST_TOKEN: configured.CERT_EVENT_INGEST_TOKEN,
  CERT_EVENT_SOURCE_KEYS: `certbot:eu=${configured.CERT_EVENT_SOURCE_KEYS}`,
  CERT_ADMIN_TOKENS: `root:admin:${configured.CERT_ADMIN_TOKENS}`,
  CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/${configured.CERT_ALERT_WEBHOOK_URL}`,
  CERT_ALERT_WEBHOOK_SECRET: configured.CERT_ALERT_WEBHOOK_SECRET,
  CERT_RUNBOOK_WEBHOOK_URL: `http://127.0.0.1:${receiver.port}/${configured.CERT_RUNBOOK_WEBHOOK_URL}`,
  CERT_RUNBOOK_SIGNING_SECRET: configured.CERT_RUNBOOK_SIGNING_SECRET,
  CERT_NOTIFY_CHANNELS: channels(receiver.port),
  NOTAFTER_PUBLIC_URL: 'http://127.0.0.1:8080',
  NOTAFTER_OIDC_ISSUER: 'http://127.0.0.1:1',
  NOTAFTER_OIDC_CLIENT_ID: 'notafter',
  NOTAFTER_OIDC_CLIENT_SECRET: configured.NOTAFTER_OIDC_CLIENT_SECRET,
  NOTAFTER_OIDC_ROLES: 'ops=admin',
  CERT_AUDIT_SIGNING_SECRET: configured.CERT_AUDIT_SIGNING_SECRET,
});

const allDoors = async (): Promise<Door[]> => {
  const api = await createTestApi([], Date.now());
  const routes = rulesOf(createApp(api.ctx, ingestSink(api.ctx), () => Promise.resolve({ ready: true, checks: {} })));
  await api.close();
  return routes;
};

beforeAll(async () => {
  doors = await allDoors();
  database = await createTestDatabase();
  su = postgres(database.url, { max: 1, onnotice: () => undefined });
  role = `canary_${run}`;
  await su.unsafe(`create role ${role} login superuser password '${configured.DATABASE_URL}'`);
  redis = await startRedis();
  const open = new Redis(redis.url);
  await open.config('SET', 'requirepass', configured.REDIS_URL);
  open.disconnect();
  receiver = await startReceiver();
  // It refuses, and repeats all that it was sent: what is kept of its answer must not hold a secret either.
  receiver.behave({ kind: 'echo' });
  directory = mkdtempSync(path.join(tmpdir(), 'notafter-canaries-'));
  app = await startApp(
    parseConfig(environment(), () => ''),
    { api: true, worker: true },
    log,
  );
  url = `http://127.0.0.1:${app.port}`;
}, 60_000);
afterAll(async () => {
  await app.stop();
  await receiver.close();
  await redis.stop();
  await database.drop();
  const admin = postgres(database.url.replace(/\/[^/]*$/, '/postgres'), { max: 1 });
  await admin.unsafe(`drop role if exists ${role}`);
  await admin.end();
  rmSync(directory, { recursive: true, force: true });
});

const known = (): [string, string][] => [...Object.entries(configured), ...Object.entries(presented), ...made];

/** The secrets that stand in a text: as they are, in hex, in base64 or as part of a URL. */
const secretsIn = (text: string): string[] => {
  const lower = text.toLowerCase();
  return known().flatMap(([name, secret]) => {
    const bytes = Buffer.from(secret);
    const faces = [secret, encodeURIComponent(secret)];
    const plain = faces.some((face) => lower.includes(face.toLowerCase()));
    // The last digits of base64 depend on what follows.
    return plain || text.includes(bytes.toString('base64').slice(0, 30)) || lower.includes(bytes.toString('hex'))
      ? [name]
      : [];
  });
};

/** The beginning of an answer; a stream without end is not waited for. */
const textOf = async (response: Response): Promise<string> => {
  const headers = JSON.stringify([...response.headers].filter(([name]) => name !== 'set-cookie'));
  if (response.body === null) return headers;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = headers;
  for (const until = Date.now() + 3000; Date.now() < until;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if ((response.headers.get('content-type') ?? '').includes('event-stream')) break;
  }
  await reader.cancel();
  return text;
};

const ask = async (what: string, at: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(url + at, { redirect: 'manual', signal: AbortSignal.timeout(10_000), ...init });
  const kept = response.clone();
  answers.push({ what: `${what} (${response.status})`, text: await textOf(response) });
  return kept;
};

const bearer = { authorization: `Bearer ${configured.CERT_ADMIN_TOKENS}` };
const json = { 'content-type': 'application/json' };

const ingest = async (
  what: string,
  body: unknown,
  { token = configured.CERT_EVENT_INGEST_TOKEN, key = configured.CERT_EVENT_SOURCE_KEYS, signature = '' } = {},
) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const at = String(Math.floor(Date.now() / 1000));
  return ask(what, '/v1/domains/cert-events', {
    method: 'POST',
    headers: {
      ...json,
      'x-cert-event-token': token,
      'x-cert-source': 'certbot',
      'x-cert-cluster': 'eu',
      'x-cert-timestamp': at,
      'x-cert-signature': signature === '' ? signEvent(key, at, Buffer.from(text)) : signature,
    },
    body: text,
  });
};

const event = (n: number, rest: object = {}) => ({
  source: 'certbot',
  clusterId: 'eu',
  sourceEventId: `event-${n}`,
  domain: 'a.example.com',
  eventType: 'renewal_failed',
  reason: 'the CA said no',
  ...rest,
});

const cookieOf = async (): Promise<string> => {
  const answer = await ask('login', '/console/login', {
    method: 'POST',
    headers: { origin: url, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: configured.CERT_ADMIN_TOKENS }).toString(),
  });
  const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
  made.set('session cookie', cookie.slice(cookie.indexOf('=') + 1));
  return cookie;
};

const anyId = '0197c1d2-0000-7000-8000-000000000000';
const pathOf = (door: Door): string => samplePath(door.path, (name) => (name === 'domain' ? 'a.example.com' : anyId));

describe('secrets', () => {
  it('are all among the canaries', () => {
    const sounding = Object.keys(variables).filter((name) => /TOKEN|SECRET|KEY|PASSWORD|CHANNELS|_URL$/.test(name));
    expect(sounding.toSorted()).toEqual([...Object.keys(configured), ...harmless].toSorted());
  });

  it('are used: events, refusals, changes and notices of every channel', async () => {
    await ask('PUT', '/v1/admin/domains/a.example.com', {
      method: 'PUT',
      headers: { ...bearer, ...json },
      body: '{"verified":true,"region":"eu"}',
    });
    expect((await ingest('good event', event(1))).status).toBe(202);
    expect((await ingest('wrong token', event(2), { token: presented.ingest })).status).toBe(401);
    expect((await ingest('wrong key', event(2), { signature: presented.signature })).status).toBe(401);
    expect((await ingest('wrong field', event(2, { eventType: presented.field }))).status).toBe(400);
    expect((await ingest('no JSON', `{"${presented.field}`)).status).toBe(400);
    expect((await ingest('other content', event(1, { reason: 'another' }))).status).toBe(409);
    const token = await fetch(`${url}/v1/admin/tokens`, {
      method: 'POST',
      headers: { ...bearer, ...json },
      body: '{"name":"made","role":"viewer"}',
    });
    const { token: value } = JSON.parse(await token.text()) as { token?: unknown };
    expect(value).toMatch(/^nat_/);
    made.set('made token', String(value));
    await ask('made token', '/v1/admin/domains', { headers: { authorization: `Bearer ${String(value)}` } });
    await ask('wrong login', '/console/login', {
      method: 'POST',
      headers: { origin: url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token: presented.login }).toString(),
    });
    await waitFor(
      async () => {
        const rows = await su<{ channel: string }[]>`select distinct n.channel from certificate_notifications n
          join notification_attempts a on a.notification_id = n.id`;
        return rows.length >= 8;
      },
      { timeoutMs: 30_000, what: 'a try on every channel' },
    );
  }, 60_000);

  it('are nowhere in what any route answers, rightly or wrongly asked', async () => {
    const cookie = await cookieOf();
    for (const door of doors) {
      const { method, path: pattern } = door;
      if (pattern === '/console/logout') continue;
      const at = pathOf(door);
      const isConsole = pattern.startsWith('/console');
      const own = isConsole ? { cookie, origin: url, 'sec-fetch-site': 'same-origin' } : bearer;
      const wrong = isConsole
        ? { cookie: `${cookie.split('=')[0]}=${presented.cookie}` }
        : { authorization: `Bearer ${presented.bearer}` };
      const how = method === 'ALL' ? 'POST' : method;
      const body = how === 'GET' ? {} : { body: JSON.stringify({ limit: presented.field, note: [presented.field] }) };
      const headers = { ...json, 'x-relay-token': presented.relay };
      if (how === 'GET') await ask(`GET ${pattern}`, at, { headers: own });
      await ask(`${how} ${pattern} with nonsense`, `${at}?limit=${presented.query}&format=ndjson`, {
        method: how,
        headers: { ...own, ...headers },
        ...body,
      });
      await ask(`${how} ${pattern} of a stranger`, at, { method: how, headers: { ...wrong, ...headers }, ...body });
    }
    expect(answers.length).toBeGreaterThan(2 * doors.length);
    // A page links to itself with its filters, so a value of the query may come back to who sent it.
    const echoed = (what: string, name: string): boolean => name === 'query' && what.includes('/console');
    const leaks = answers.flatMap(({ what, text }) =>
      secretsIn(text)
        .filter((name) => !echoed(what, name))
        .map((name) => `${name} in ${what}`),
    );
    expect(leaks).toEqual([]);
  }, 120_000);

  it('are nowhere in the metrics', async () => {
    const text = await (await fetch(`http://127.0.0.1:${app.metricsPort}/metrics`)).text();
    expect(text).toContain('fdt_cert_notifications_total');
    expect(secretsIn(text)).toEqual([]);
  });

  it('are nowhere in the database, in any table of any schema', async () => {
    const tables = await su<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`;
    expect(tables.length).toBeGreaterThan(20);
    const leaks: string[] = [];
    let bytes = 0;
    for (const { name } of tables) {
      for await (const rows of su.unsafe<{ text: string }[]>(`select t::text as text from ${name} t`).cursor(500)) {
        const text = rows.map((row) => row.text).join('\n');
        bytes += text.length;
        // An export is noted with the filters it had, as they were given.
        const noted = (secret: string): boolean => secret === 'query' && name.endsWith('.audit_log');
        leaks.push(
          ...secretsIn(text)
            .filter((secret) => !noted(secret))
            .map((secret) => `${secret} in ${name}`),
        );
      }
    }
    expect(bytes).toBeGreaterThan(5000);
    expect([...new Set(leaks)]).toEqual([]);
  });

  it('are nowhere in Redis, neither keys nor values', async () => {
    const client = new Redis(withPassword(redis.url, null, configured.REDIS_URL));
    const leaks: string[] = [];
    let keys = 0;
    for await (const names of client.scanStream({ count: 500 })) {
      for (const name of names as string[]) {
        keys += 1;
        const dump = await client.dumpBuffer(name);
        const kind = await client.type(name);
        const fields = kind === 'hash' ? JSON.stringify(await client.hgetall(name)) : '';
        leaks.push(
          ...secretsIn(name + fields + (dump?.toString('latin1') ?? '')).map((secret) => `${secret} in ${name}`),
        );
      }
    }
    client.disconnect();
    expect(keys).toBeGreaterThan(5);
    expect(leaks).toEqual([]);
  });

  it('are nowhere in the log, also when Redis goes away', async () => {
    await redis.kill9();
    await ingest('event without Redis', event(9));
    await waitFor(() => chunks.some((line) => line.includes('the queue store does not answer')), {
      what: 'a line about Redis',
    });
    expect(chunks.length).toBeGreaterThan(10);
    expect(chunks.flatMap((line) => secretsIn(line).map((name) => `${name} in ${line}`))).toEqual([]);
  });
});
