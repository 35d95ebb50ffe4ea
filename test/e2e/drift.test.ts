import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../notify/receiver.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { type App, startApp } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { type Admin, adminOf, type DomainDetail, metricOf, type Row } from './support/admin.ts';
import { installCli } from './support/cli.ts';
import { type LegoHost, legoHost } from './support/lego.ts';
import { type Nginx, startNginx } from './support/nginx.ts';
import { type Pebble, startPebble } from './support/pebble.ts';
import { run } from './support/run.ts';

const token = 'admin-token-1';
const cleanup = new AsyncDisposableStack();
let directory: string;
let cli: string;
let pebble: Pebble;
let alerts: Receiver;
let app: App;
let admin: Admin;
let emit: Readonly<Record<string, string>>;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'notafter-drift-'));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  cli = await installCli(directory);
  pebble = cleanup.use(await startPebble(directory));
  alerts = await startReceiver();
  cleanup.defer(() => alerts.close());
  const database = await createTestDatabase();
  cleanup.defer(() => database.drop());
  app = await startApp('all', {
    env: {
      DATABASE_URL: database.url,
      CERT_EVENT_INGEST_TOKEN: 'ingest-token-1',
      CERT_EVENT_SOURCE_KEYS: 'acme:web-1=source-key-1',
      CERT_ADMIN_TOKENS: `tester:admin:${token}`,
      CERT_PROBE_ALLOWED_CIDRS: '127.0.0.0/8',
      CERT_PROBE_TRUSTED_CA_FILE: pebble.rootFile,
      CERT_PROBE_DRIFT_GRACE_SECONDS: '2',
      CERT_WORKER_INTERVAL_SECONDS: '1',
      CERT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${alerts.port}/alerts`,
    },
  });
  cleanup.defer(async () => void (await app.stop()));
  admin = adminOf(app, token);
  emit = {
    NOTAFTER_CLI: cli,
    NOTAFTER_URL: app.url,
    NOTAFTER_SOURCE: 'acme',
    NOTAFTER_CLUSTER: 'web-1',
    NOTAFTER_INGEST_TOKEN: 'ingest-token-1',
    NOTAFTER_SOURCE_KEY: 'source-key-1',
  };
}, 120_000);

afterAll(() => cleanup.disposeAsync());

/** A host that lego issues for, and the web servers that serve what it issued. */
const deploy = async (domain: string, addresses: readonly string[]): Promise<{ lego: LegoHost; servers: Nginx[] }> => {
  const lego = legoHost({ home: path.join(directory, domain), domain, pebble, emit });
  await lego.issue();
  const { certificate, key } = lego;
  const servers: Nginx[] = [];
  for (const listen of addresses) {
    const home = path.join(directory, `nginx-${listen}`);
    servers.push(cleanup.use(await startNginx({ home, listen, serverName: domain, certificate, key })));
  }
  await admin.register(domain, { probeAddress: addresses });
  return { lego, servers };
};

const lookUntil = (domain: string, state: string, ref: string) =>
  admin.lookUntil(
    domain,
    (row) => row['drift_state'] === state && row['certificate_ref'] === ref,
    `to be ${state} with ${ref}`,
  );

/** Waits until the row says so, without asking for a look. */
const rowUntil = (domain: string, column: string, value: string): Promise<DomainDetail> =>
  waitFor(
    async () => {
      const detail = await admin.detail(domain);
      return detail.domain[column] === value ? detail : null;
    },
    { what: `${domain} to have ${column} ${value}`, timeoutMs: 20_000, intervalMs: 100 },
  );

/** What the alert webhook was told of a domain, in order, once there are that many. */
const noticesOf = (domain: string, count: number): Promise<readonly Row[]> =>
  waitFor(
    () => {
      const notices = alerts.received
        .map(({ body }): Row => JSON.parse(body))
        .filter((one) => one['domain'] === domain);
      return notices.length >= count ? notices : null;
    },
    { what: `${count} notices of ${domain}`, timeoutMs: 20_000 },
  );

const incidentOf = async (domain: string, status: string): Promise<Row> => {
  const incidents = await waitFor(
    async () => {
      const found = await admin.incidents(domain);
      return found[0]?.['status'] === status ? found : null;
    },
    { what: `the incident of ${domain} to be ${status}` },
  );
  expect(incidents).toHaveLength(1);
  return incidents[0] ?? {};
};

const expectDrifting = async (domains: Readonly<Record<string, number>>): Promise<void> => {
  for (const [state, count] of Object.entries(domains)) {
    await waitFor(async () => (await metricOf(app, `fdt_cert_drift_domains{state="${state}"}`)) === count, {
      what: `${count} domains to be ${state}`,
    });
  }
};

describe('a renewal that is not deployed', () => {
  it('is found, told once, and over when the server is reloaded', { timeout: 90_000 }, async () => {
    const domain = 'shop.test';
    const address = `127.0.0.1:${await freePort()}`;
    const { lego, servers } = await deploy(domain, [address]);
    const first = lego.ref();
    await lookUntil(domain, 'in_step', first);
    await expectDrifting({ in_step: 1, stale_served: 0 });
    expect(alerts.received).toEqual([]);

    await lego.renew();
    const second = lego.ref();
    expect(second).not.toBe(first);
    await rowUntil(domain, 'certificate_ref', second);
    await admin.call('POST', `/v1/admin/domains/${domain}/probe`);
    // Asked once, usually within the grace; at its end the product looks by itself.
    const stale = await rowUntil(domain, 'drift_state', 'stale_served');
    expect(stale.domain).toMatchObject({
      certificate_ref: second,
      observed_certificate_ref: first,
      cert_last_event_type: 'renewal_succeeded',
      tls_status: 'issued',
      tls_fault: null,
    });
    expect(stale.addresses).toEqual([
      expect.objectContaining({ address, certificate_ref: first, verdict: 'ok', error: null }),
    ]);
    await expectDrifting({ in_step: 0, stale_served: 1 });
    expect(await incidentOf(domain, 'open')).toMatchObject({ incident_type: 'certificate_drift', tier: 2 });
    expect(await noticesOf(domain, 1)).toEqual([
      expect.objectContaining({
        type: 'certificate.drift',
        severity: 'warning',
        incidentRoute: 'ticket',
        driftState: 'stale_served',
        expectedCertificateRef: second,
        observedCertificateRef: first,
      }),
    ]);

    await servers[0]?.reload();
    const mended = await lookUntil(domain, 'in_step', second);
    expect(mended.domain).toMatchObject({ certificate_ref: second, observed_certificate_ref: second });
    await expectDrifting({ in_step: 1, stale_served: 0 });
    expect(await incidentOf(domain, 'resolved')).toMatchObject({ incident_type: 'certificate_drift' });
    const [, over] = await noticesOf(domain, 2);
    expect(over).toMatchObject({ type: 'certificate.drift', action: 'resolve', domain });
    const kinds = (await admin.detail(domain)).timeline.map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['event', 'probe', 'incident', 'notification']));
    expect(await noticesOf(domain, 2)).toHaveLength(2);
  });

  it('is found where only one of two addresses was reloaded', { timeout: 90_000 }, async () => {
    const domain = 'two.test';
    const port = await freePort();
    const [here, there] = [`127.0.0.1:${port}`, `127.0.0.2:${port}`];
    const { lego, servers } = await deploy(domain, [here, there]);
    const first = lego.ref();
    await lookUntil(domain, 'in_step', first);

    await lego.renew();
    const second = lego.ref();
    await servers[0]?.reload();
    const { addresses } = await lookUntil(domain, 'addresses_differ', second);
    expect(new Map(addresses.map((one) => [one['address'], one['certificate_ref']]))).toEqual(
      new Map([
        [here, second],
        [there, first],
      ]),
    );
    await expectDrifting({ addresses_differ: 1 });
    await incidentOf(domain, 'open');
    expect(await noticesOf(domain, 1)).toEqual([
      expect.objectContaining({ type: 'certificate.drift', driftState: 'addresses_differ' }),
    ]);

    await servers[1]?.reload();
    await lookUntil(domain, 'in_step', second);
    await expectDrifting({ addresses_differ: 0 });
    await incidentOf(domain, 'resolved');
    expect(await noticesOf(domain, 2)).toHaveLength(2);
  });
});

describe('a certificate that nobody reported', () => {
  it('is unknown while it is served, until its report comes', { timeout: 90_000 }, async () => {
    const domain = 'byhand.test';
    const { lego, servers } = await deploy(domain, [`127.0.0.1:${await freePort()}`]);
    const [server] = servers;
    await lookUntil(domain, 'in_step', lego.ref());

    const other = legoHost({ home: path.join(directory, 'elsewhere'), domain, pebble, emit: null });
    await other.issue();
    server?.configure(other);
    await server?.reload();
    const unknown = await lookUntil(domain, 'unknown_served', lego.ref());
    expect(unknown.domain).toMatchObject({ certificate_ref: lego.ref(), observed_certificate_ref: other.ref() });
    await incidentOf(domain, 'open');

    const args = ['emit', '--event', 'renewal_succeeded', '--pem', other.certificate];
    expect(await run(cli, args, { cwd: directory, env: emit })).toMatchObject({ code: 0 });
    await lookUntil(domain, 'in_step', other.ref());
    await incidentOf(domain, 'resolved');
    expect(await noticesOf(domain, 2)).toHaveLength(2);
  });
});
