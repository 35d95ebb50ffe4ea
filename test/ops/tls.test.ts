import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDb } from '../../src/db/client.ts';
import { migrate } from '../../src/db/migrate.ts';
import { messageOf } from '../../src/errors.ts';
import { freeSilent } from '../../src/queues/ended.ts';
import { redisFacts } from '../../src/queues/redis-facts.ts';
import { postgresStore, redisStore, type Store } from '../../src/queues/store.ts';
import { startProxy } from '../chaos/proxy.ts';
import { credentials, eventBody, register, send } from '../support/driver.ts';
import { openLedger, untilApplied } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { runCli, startApp } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { output } from './support/files.ts';

let dir: string;
let redis: TestRedis;
let tlsPort: string;
let server: TestPostgres;
const ca = (name: string): string => path.join(dir, `${name}.pem`);
const pem = async (name: string): Promise<string> => await output('cat', ca(name));

/** A CA, and a certificate of it for `localhost` alone. */
const makeCa = async (name: string): Promise<void> => {
  const at = (ending: string): string => path.join(dir, `${name}${ending}`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await output(
    'openssl',
    'req',
    '-x509',
    ...key,
    '-subj',
    `/CN=${name}`,
    '-days',
    '2',
    '-keyout',
    at('.key'),
    '-out',
    at('.pem'),
  );
  await output('openssl', 'req', ...key, '-subj', '/CN=server', '-keyout', at('-server.key'), '-out', at('.csr'));
  writeFileSync(at('.ext'), 'subjectAltName=DNS:localhost\n');
  const signed = ['-CA', at('.pem'), '-CAkey', at('.key'), '-CAcreateserial', '-days', '2', '-extfile', at('.ext')];
  await output('openssl', 'x509', '-req', '-in', at('.csr'), ...signed, '-out', at('-server.pem'));
};

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'notafter-tls-'));
  chmodSync(dir, 0o755);
  await Promise.all([makeCa('ours'), makeCa('theirs')]);
  tlsPort = String(await freePort());
  const files = { cert: path.join(dir, 'ours-server.pem'), key: path.join(dir, 'ours-server.key') };
  redis = await startRedis({
    settings: {
      'tls-port': tlsPort,
      'tls-cert-file': files.cert,
      'tls-key-file': files.key,
      'tls-ca-cert-file': ca('ours'),
      'tls-auth-clients': 'no',
    },
  });
  server = await startTestPostgres();
  // The key has to be the server's own.
  const owner = statSync(path.join(server.dataDir, 'cluster'));
  chmodSync(files.key, 0o600);
  if (process.getuid?.() === 0) chownSync(files.key, owner.uid, owner.gid);
  const db = connectDb(server.url, { max: 1, name: 'test' });
  for (const [name, value] of Object.entries({ ssl_cert_file: files.cert, ssl_key_file: files.key, ssl: 'on' }))
    await db.sql.unsafe(`alter system set ${name} = '${value}'`);
  await db.sql`select pg_reload_conf()`;
  await db.close();
}, 120_000);
afterAll(async () => {
  await redis.stop();
  await server.remove();
  rmSync(dir, { recursive: true, force: true });
});

const databaseUrl = (host: string, mode: string): string => {
  const url = new URL(server.url);
  url.hostname = host;
  url.searchParams.set('sslmode', mode);
  return url.href;
};
const redisUrl = (host: string): string => `rediss://${host}:${tlsPort}/0`;

/** How the work ended: `ok`, or why not. */
const ending = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => `${error instanceof Error && 'code' in error ? String(error.code) : ''} ${messageOf(error)}`,
  );

const byDriver = {
  'the pool': async (url: string, trusted?: string): Promise<string> => {
    const db = connectDb(url, { max: 1, name: 'test', ca: trusted });
    const [row] = await db.sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    await db.close();
    return row?.ssl === true ? 'encrypted' : 'in the clear';
  },
  'the queues': async (url: string, trusted?: string): Promise<string> => {
    const store = postgresStore(url, 1, () => undefined, trusted);
    try {
      await store.check();
      return 'encrypted';
    } finally {
      await store.close();
    }
  },
  migrations: async (url: string, trusted?: string): Promise<string> => {
    await migrate(url, trusted);
    return 'encrypted';
  },
} as const;

describe.each(Object.entries(byDriver))('TLS to PostgreSQL, by %s', (_name, connect) => {
  const result = async (host: string, mode: string, trusted?: string): Promise<string> => {
    const text = trusted === undefined ? undefined : await pem(trusted);
    return connect(databaseUrl(host, mode), text).catch((error: unknown) => messageOf(error));
  };

  it('is made with a CA that is named, for the name in the certificate', async () => {
    expect(await result('localhost', 'verify-full', 'ours')).toBe('encrypted');
    expect(await result('127.0.0.1', 'verify-ca', 'ours')).toBe('encrypted');
    expect(await result('127.0.0.1', 'require')).toBe('encrypted');
  });

  it('is refused with another CA, with the system’s, and for another name', async () => {
    expect(await result('localhost', 'verify-full', 'theirs')).toMatch(/certificate|issuer|self.signed/i);
    expect(await result('localhost', 'verify-ca', 'theirs')).toMatch(/certificate|issuer|self.signed/i);
    expect(await result('localhost', 'require', 'theirs')).toMatch(/certificate|issuer|self.signed/i);
    expect(await result('localhost', 'verify-full')).toMatch(/certificate|issuer|self.signed/i);
    expect(await result('127.0.0.1', 'verify-full', 'ours')).toMatch(/altnames|not in the cert/i);
  });
});

describe('TLS to Redis', () => {
  const check = async (host: string, trusted?: string): Promise<string> => {
    const text = trusted === undefined ? undefined : await pem(trusted);
    const why: string[] = [];
    const store: Store = redisStore(redisUrl(host), '{notafter}', (error) => why.push(messageOf(error)), text);
    const outcome = await ending(store.check());
    await store.close();
    return outcome === 'ok' ? outcome : `${outcome} ${why.join(' ')}`;
  };

  it('is made with a CA that is named, and refused with another, with the system’s, and for another name', async () => {
    expect(await check('localhost', 'ours')).toBe('ok');
    expect(await check('localhost', 'theirs')).toMatch(/certificate|issuer|self.signed/i);
    expect(await check('localhost')).toMatch(/certificate|issuer|self.signed/i);
    expect(await check('127.0.0.1', 'ours')).toMatch(/altnames|not in the cert/i);
  });

  it('is what `notafter doctor` asks by', async () => {
    expect((await redisFacts(redisUrl('localhost'), await pem('ours'))).version).toMatch(/^\d/);
    await expect(redisFacts(redisUrl('localhost'), await pem('theirs'))).rejects.toThrow(
      /certificate|issuer|self.signed/i,
    );
  });
});

describe('a connection of the queues with TLS to PostgreSQL', () => {
  it('that falls silent is given up', async () => {
    const proxy = await startProxy({ port: Number(new URL(server.url).port) });
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const pool = new Pool({ connectionString: url.href, ssl: { rejectUnauthorized: false }, max: 1 });
    pool.on('error', () => undefined);
    freeSilent(pool, 1000);
    const ask = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
    expect((await pool.query(ask)).rows).toEqual([{ ssl: true }]);
    proxy.strand();
    await expect(pool.query(ask)).rejects.toThrow(/silent for 1 s/);
    expect((await pool.query(ask)).rows).toEqual([{ ssl: true }]);
    await proxy.close();
    await pool.end();
  });
});

describe('a process with TLS to both stores', { timeout: 90_000 }, () => {
  const env = () => ({
    ...credentials,
    DATABASE_URL: databaseUrl('localhost', 'verify-full'),
    DATABASE_CA_FILE: ca('ours'),
    REDIS_URL: redisUrl('localhost'),
    REDIS_CA_FILE: ca('ours'),
    NOTAFTER_HOST: '127.0.0.1',
    CERT_PROBE_FALLBACK_ENABLED: 'false',
  });

  it('takes an event and applies it', async () => {
    const app = await startApp('all', { env: env() });
    const sql = await openLedger(server.url);
    const answer = await send(app.url, eventBody(await register(app.url, 'tls.example.net'), 'renewal_failed'));
    await untilApplied(sql, String(answer.body['eventId']));
    const [clear] = await sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity join pg_stat_ssl using (pid)
      where application_name like 'notafter%' and not ssl`;
    expect(clear?.n).toBe(0);
    await sql.end();
    expect((await app.stop()).code).toBe(0);
  });

  it('does not start on a server that its CA does not know, and says so in one line', async () => {
    const { code, output: printed } = await runCli(['serve'], { ...env(), DATABASE_CA_FILE: ca('theirs') });
    expect(code).toBe(1);
    expect(printed.trim().split('\n')).toEqual([expect.stringMatching(/^notafter: .*DATABASE_URL/)]);
  });
});
