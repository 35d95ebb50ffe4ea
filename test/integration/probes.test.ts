import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer as createTls, type Server as TlsServer } from 'node:tls';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { createPki, type Identity, makeCertificate } from '../support/certificates.ts';
import { admin, credentials, eventBody, register, send } from '../support/driver.ts';
import { flawsOf, openLedger, type Sql, untilApplied } from '../support/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

const day = 86_400_000;
const pki = createPki();
type Leaf = Identity & { readonly chain?: string };

const servers: Server[] = [];
const listen = (server: Server, host: string, port: number): Promise<number> => {
  servers.push(server);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  // A TCP server has an address of this shape.
  server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  return promise;
};

interface Site {
  readonly address: string;
  readonly server: TlsServer;
  readonly serve: (leaf: Leaf) => void;
}

const context = ({ chain, cert, key }: Leaf) => ({ cert: chain ?? cert, key });

/** A TLS server on loopback whose certificate can be exchanged. */
const serve = async (leaf: Leaf, host = '127.0.0.1', port = 0): Promise<Site> => {
  const server = createTls(context(leaf), (socket) => socket.on('error', () => undefined));
  server.on('tlsClientError', () => undefined);
  const bound = await listen(server, host, port);
  return {
    address: `${host}:${bound}`,
    server,
    serve: (next) => {
      server.setSecureContext(context(next));
    },
  };
};

const leafFor = (domain: string, days = 60): Leaf =>
  pki.leaf({ names: [domain], notBefore: Date.now() - day, notAfter: Date.now() + days * day });

interface DomainRow extends Readonly<Record<string, unknown>> {
  readonly tls_status: string;
}
interface Shown {
  readonly domain: DomainRow;
  readonly addresses: readonly Readonly<Record<string, unknown>>[];
  readonly timeline: readonly Readonly<Record<string, unknown>>[];
}

interface Stage {
  readonly app: RunningApp;
  readonly url: string;
  readonly sql: Sql;
  readonly database: TestDatabase;
  readonly redis: TestRedis | null;
  readonly dataDir: string;
}

const openStage = async (backend: string, env: Record<string, string> = {}): Promise<Stage> => {
  const database = await createTestDatabase();
  const redis = backend === 'redis' ? await startRedis() : null;
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-probes-'));
  const sql = await openLedger(database.url);
  const all = {
    ...credentials,
    DATABASE_URL: database.url,
    ...(redis !== null && { REDIS_URL: redis.url }),
    PORT: '0',
    CERT_METRICS_PORT: '0',
    NOTAFTER_HOST: '127.0.0.1',
    NOTAFTER_DATA_DIR: dataDir,
    CERT_WORKER_INTERVAL_SECONDS: '1',
    CERT_PROBE_FALLBACK_ENABLED: 'true',
    CERT_PROBE_ALLOWED_CIDRS: '127.0.0.0/8,::1/128',
    CERT_PROBE_TRUSTED_CA: pki.root.cert,
    CERT_PROBE_DRIFT_GRACE_SECONDS: '3',
    CERT_PROBE_QUIET_SECONDS: '0',
    ...env,
  };
  const config = parseConfig(all, () => '');
  const app = await startApp(config, { api: true, worker: true }, pino({ level: 'silent' }));
  return { app, url: `http://127.0.0.1:${app.port}`, sql, database, redis, dataDir };
};

const closeStage = async ({ app, sql, database, redis, dataDir }: Stage): Promise<void> => {
  await app.stop();
  await sql.end();
  await database.drop();
  await redis?.stop();
  rmSync(dataDir, { recursive: true, force: true });
};

const show = async (url: string, domain: string): Promise<Shown> => {
  const { status, body } = await admin(url, 'GET', `/domains/${domain}`);
  expect(status).toBe(200);
  // The shape of the answer is held against its schema in the tests of the API.
  return body as unknown as Shown;
};

const until = (url: string, domain: string, what: string, holds: (shown: Shown) => boolean): Promise<Shown> =>
  waitFor(
    async () => {
      const shown = await show(url, domain);
      if (!holds(shown)) throw new Error(JSON.stringify([shown.domain, shown.addresses]));
      return shown;
    },
    { timeoutMs: 20_000, intervalMs: 100, what },
  );

const checkedAt = ({ domain }: Shown): number => Date.parse(String(domain['tls_last_checked_at'])) || 0;
const looked = ({ domain }: Shown): boolean => domain['tls_last_checked_at'] !== null;

/** Asks for a look and waits until it is saved. */
const probeNow = async (url: string, domain: string): Promise<Shown> => {
  const before = checkedAt(await show(url, domain));
  const { status, body } = await admin(url, 'POST', `/domains/${domain}/probe`);
  expect({ status, body }).toEqual({ status: 202, body: { ok: true, domain, queued: true } });
  return until(url, domain, 'the look to be saved', (shown) => checkedAt(shown) > before);
};

/** Tells of a renewal, as the ACME client's hook does. */
const renewed = async ({ url, sql }: Stage, domain: string, leaf: Leaf, notAfter: number): Promise<void> => {
  const body = eventBody(domain, 'renewal_succeeded', { certificateRef: leaf.ref, notAfter });
  const { status, body: answer } = await send(url, body);
  expect(status).toBe(202);
  await untilApplied(sql, String(answer['eventId']));
};

afterAll(() => {
  for (const server of servers) server.close();
});

describe.each(['redis', 'postgres'])('probes with queues in %s', (backend) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(backend);
  });
  afterAll(() => closeStage(stage));

  it('fill in the certificate of a domain that no event spoke of', async () => {
    const domain = 'good.example.test';
    const leaf = leafFor(domain);
    const { address } = await serve(leaf);
    await register(stage.url, domain, { probeAddress: address });
    const shown = await until(stage.url, domain, 'the first look', looked);
    expect(shown.domain).toMatchObject({
      tls_status: 'issued',
      certificate_ref: leaf.ref,
      certificate_filled: true,
      observed_certificate_ref: leaf.ref,
      tls_fault: null,
      tls_last_error: null,
      drift_state: null,
      renewal_due_source: 'lifetime',
      probe_failures: 0,
    });
    expect(shown.addresses).toMatchObject([
      { address, certificate_ref: leaf.ref, verdict: 'ok', error: null, depth: 'full' },
    ]);
    expect(shown.timeline).toMatchObject([{ kind: 'probe', address, verdict: 'ok', certificate_ref: leaf.ref }]);
    const due = Date.parse(String(shown.domain['probe_due_at'])) - Date.now();
    expect(due).toBeGreaterThan(21 * 3_600_000);
    expect(due).toBeLessThan(27 * 3_600_000);
  });

  it.each([
    [
      'expired',
      (domain: string) => pki.leaf({ names: [domain], notBefore: Date.now() - 9 * day, notAfter: Date.now() - day }),
    ],
    ['untrusted', (domain: string) => makeCertificate({ names: [domain] })],
    ['wrong_host', () => leafFor('other.example.test')],
    ['not_yet_valid', (domain: string) => pki.leaf({ names: [domain], notBefore: Date.now() + day })],
  ])('find a certificate that is %s at the first look', async (verdict, leafOf) => {
    const domain = `${verdict.replaceAll('_', '-')}.example.test`;
    const leaf = leafOf(domain);
    const { address } = await serve(leaf);
    await register(stage.url, domain, { probeAddress: address });
    const shown = await until(stage.url, domain, 'the first look', looked);
    expect(shown.domain).toMatchObject({ tls_status: 'tls_error', tls_fault: verdict, certificate_ref: null });
    expect(String(shown.domain['tls_last_error'])).toContain(address);
    expect(shown.addresses).toMatchObject([{ address, verdict, certificate_ref: leaf.ref }]);
  });

  it('take a second look before they call a server down', async () => {
    const domain = 'down.example.test';
    const closed = await serve(leafFor(domain));
    closed.server.close();
    await register(stage.url, domain, { probeAddress: closed.address });
    const first = await until(stage.url, domain, 'the first look', ({ domain: row }) => row['probe_failures'] === 1);
    expect(first.domain).toMatchObject({ tls_status: 'pending_issue', tls_fault: null });
    const wait = Date.parse(String(first.domain['probe_due_at'])) - Date.now();
    expect(wait).toBeGreaterThan(25_000);
    expect(wait).toBeLessThan(121_000);
    await stage.sql`update custom_domains set probe_due_at = now() where domain = ${domain}`;
    const second = await until(stage.url, domain, 'the second look', ({ domain: row }) => row['tls_fault'] !== null);
    expect(second.domain).toMatchObject({
      tls_status: 'tls_error',
      tls_fault: 'connection_refused',
      probe_failures: 2,
    });
    expect(second.timeline.filter(({ kind }) => kind === 'probe')).toHaveLength(1);
  });

  it('see a certificate that was renewed but not deployed, and its deployment', async () => {
    const domain = 'renewed.example.test';
    const [old, fresh] = [leafFor(domain, 40), leafFor(domain, 80)];
    const site = await serve(old);
    await register(stage.url, domain, { probeAddress: site.address });
    await renewed(stage, domain, old, Date.now() + 40 * day);
    expect((await probeNow(stage.url, domain)).domain).toMatchObject({ drift_state: 'in_step' });
    await renewed(stage, domain, fresh, Date.now() + 80 * day);
    const within = await probeNow(stage.url, domain);
    expect(within.domain).toMatchObject({ drift_state: null, certificate_ref: fresh.ref, tls_status: 'issued' });
    const stale = await until(stage.url, domain, 'drift', ({ domain: row }) => row['drift_state'] !== null);
    expect(stale.domain).toMatchObject({
      drift_state: 'stale_served',
      certificate_ref: fresh.ref,
      observed_certificate_ref: old.ref,
    });
    site.serve(fresh);
    const mended = await probeNow(stage.url, domain);
    expect(mended.domain).toMatchObject({ drift_state: 'in_step', observed_certificate_ref: fresh.ref });
  });

  it('see a certificate that no event spoke of', async () => {
    const domain = 'unknown.example.test';
    const site = await serve(leafFor(domain, 70));
    await register(stage.url, domain, { probeAddress: site.address });
    await renewed(stage, domain, leafFor(domain), Date.now() + 60 * day);
    const states = new Set<unknown>();
    await waitFor(
      async () => {
        states.add((await probeNow(stage.url, domain)).domain['drift_state']);
        return states.has('unknown_served');
      },
      { intervalMs: 500, what: 'the end of the grace' },
    );
    expect([...states]).toEqual([null, 'unknown_served']);
  });

  it('see addresses that disagree, and when one is gone', async () => {
    const domain = 'two.example.test';
    const [one, two] = [leafFor(domain, 50), leafFor(domain, 70)];
    const first = await serve(one);
    const port = Number(first.address.split(':')[1]);
    const second = await serve(two, '127.0.0.2', port);
    const probeAddress = [first.address, second.address];
    await register(stage.url, domain, { probeAddress });
    const shown = await until(stage.url, domain, 'the first look', looked);
    expect(shown.domain).toMatchObject({ drift_state: 'addresses_differ', observed_certificate_ref: one.ref });
    await admin(stage.url, 'PUT', `/domains/${domain}`, { region: null });
    expect((await show(stage.url, domain)).domain).toMatchObject({ tls_status: 'pending_route', drift_state: null });
    await admin(stage.url, 'PUT', `/domains/${domain}`, { region: 'eu' });
    await until(stage.url, domain, 'drift again', ({ domain: row }) => row['drift_state'] === 'addresses_differ');
    expect(shown.addresses).toMatchObject([
      { address: first.address, certificate_ref: one.ref },
      { address: second.address, certificate_ref: two.ref },
    ]);
    first.serve(two);
    expect((await probeNow(stage.url, domain)).domain).toMatchObject({ drift_state: null });
    const { status } = await admin(stage.url, 'PUT', `/domains/${domain}`, { probeAddress: second.address });
    expect(status).toBe(200);
    const left = await until(stage.url, domain, 'one address', ({ addresses }) => addresses.length === 1);
    expect(left.addresses).toMatchObject([{ address: second.address }]);
  });

  it('write nothing of a look that was made with other settings', async () => {
    const domain = 'moved.example.test';
    const held: Socket[] = [];
    const port = await listen(
      createTcp((socket) => void held.push(socket.on('error', () => undefined))),
      '127.0.0.1',
      0,
    );
    await register(stage.url, domain, { probeAddress: `127.0.0.1:${port}` });
    await waitFor(() => held.length > 0, { what: 'the look' });
    const { address } = await serve(leafFor(domain));
    await admin(stage.url, 'PUT', `/domains/${domain}`, { probeAddress: address });
    const shown = await until(stage.url, domain, 'the new address', looked);
    for (const socket of held) socket.destroy();
    expect(shown.addresses).toMatchObject([{ address, verdict: 'ok' }]);
    await waitFor(async () => {
      const [row] = await stage.sql<{ n: number }[]>`
        select count(*)::int as n from probe_observations o join custom_domains d on d.id = o.domain_id where d.domain = ${domain}`;
      return row?.n === 1;
    });
  });

  it('look at passthrough domains only when asked, and leave their status alone', async () => {
    const domain = 'passthrough.example.test';
    const { address } = await serve(leafFor(domain));
    await register(stage.url, domain, { probeAddress: address, tlsMode: 'passthrough' });
    const shown = await probeNow(stage.url, domain);
    expect(shown.domain).toMatchObject({ tls_status: 'passthrough_unverified', drift_state: null });
    expect(shown.addresses).toMatchObject([{ verdict: 'ok' }]);
  });

  it('answer for a domain that is not registered, and for a role that is too low', async () => {
    expect(await admin(stage.url, 'POST', '/domains/none.example.test/probe')).toMatchObject({ status: 404 });
    const bare = await fetch(`${stage.url}/v1/admin/domains/good.example.test/probe`, { method: 'POST' });
    expect(bare.status).toBe(401);
  });

  it('count what they do, and when the sweep went through', async () => {
    const response = await fetch(`http://127.0.0.1:${stage.app.metricsPort}/metrics`);
    const text = await response.text();
    expect(text).toMatch(/fdt_cert_probes_total\{result="ok"\} [1-9]/);
    expect(text).toMatch(/fdt_cert_probe_duration_seconds_count\{depth="full"\} [1-9]/);
    const swept = Number(/fdt_cert_sweep_last_success_timestamp_seconds\{sweep="probe"\} (\S+)/.exec(text)?.[1]);
    expect(Math.abs(Date.now() / 1000 - swept)).toBeLessThan(15);
  });

  it('leave what events said as one fold of the ledger gives it', async () => {
    expect(await flawsOf(stage.sql)).toEqual([]);
  });
});

describe('probes that are turned off', () => {
  it('are made only when asked for', async () => {
    const stage = await openStage('postgres', { CERT_PROBE_FALLBACK_ENABLED: 'false' });
    try {
      const domain = 'quiet.example.test';
      const leaf = leafFor(domain);
      let connections = 0;
      const site = await serve(leaf);
      site.server.on('connection', () => (connections += 1));
      await register(stage.url, domain, { probeAddress: site.address });
      const swept = async (): Promise<number> => {
        const [row] = await stage.sql<{ at: number }[]>`
          select value::float8 as at from counters where name = 'sweep_last_success_ms' and labels = 'probe'`;
        return row?.at ?? 0;
      };
      const registered = Date.now();
      await waitFor(async () => (await swept()) > registered + 1000, { timeoutMs: 15_000, what: 'two sweeps' });
      expect(connections).toBe(0);
      expect((await probeNow(stage.url, domain)).domain).toMatchObject({ tls_status: 'issued' });
      expect(connections).toBe(1);
    } finally {
      await closeStage(stage);
    }
  });
});

describe('a stop while servers do not answer', () => {
  it('cuts looks off, ends soon, and leaves their domains due again', async () => {
    const stage = await openStage('postgres');
    let open = true;
    try {
      const held: Socket[] = [];
      const tarpit = createTcp((socket) => void held.push(socket.on('error', () => undefined)));
      const port = await listen(tarpit, '127.0.0.1', 0);
      const domain = await register(stage.url, 'tarpit.example.test', { probeAddress: `127.0.0.1:${port}` });
      await waitFor(() => held.length > 0, { what: 'the look' });
      const started = performance.now();
      await stage.app.stop();
      open = false;
      expect(performance.now() - started).toBeLessThan(6000);
      const [row] = await stage.sql`
        select d.tls_fault, d.probe_failures, c.probe_due_at < now() + interval '2 minutes' as soon
        from custom_domains d join domain_clocks c on c.domain_id = d.id where d.domain = ${domain}`;
      expect(row).toEqual({ tls_fault: null, probe_failures: 0, soon: true });
      for (const socket of held) socket.destroy();
    } finally {
      await closeStage({ ...stage, ...(open ? {} : { app: { ...stage.app, stop: () => Promise.resolve() } }) });
    }
  });
});
