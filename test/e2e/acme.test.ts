import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBinary } from '../support/binaries.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { type App, startApp } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { installCli } from './support/cli.ts';
import { type Pebble, startPebble } from './support/pebble.ts';
import { type RunResult, run } from './support/run.ts';

const hooks = fileURLToPath(new URL('../../ops/hooks/', import.meta.url));
const acmeRun = path.join(hooks, 'acme-run');
const admin = 'admin-token-1';
const names = {
  lego: ['lego.test'],
  wildcard: ['*.wild.test', 'wild.test'],
  certbot: ['one.certbot.test', 'two.certbot.test', 'three.certbot.test'],
  away: ['away.test'],
} as const;

const cleanup = new AsyncDisposableStack();
let directory: string;
let pebble: Pebble;
let app: App;
let cli: string;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'notafter-acme-'));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  cli = await installCli(directory);
  pebble = cleanup.use(await startPebble(directory));
  const database = await createTestDatabase();
  cleanup.defer(() => database.drop());
  app = await startApp('all', {
    env: {
      DATABASE_URL: database.url,
      CERT_EVENT_INGEST_TOKEN: 'ingest-token-1',
      CERT_EVENT_SOURCE_KEYS: 'acme:web-1=source-key-1',
      CERT_ADMIN_TOKENS: `tester:admin:${admin}`,
      // These names are served nowhere.
      CERT_PROBE_FALLBACK_ENABLED: 'false',
    },
  });
  cleanup.defer(async () => void (await app.stop()));
  const registration = { verified: true, tlsMode: 'termination', region: 'eu', failurePolicy: 'standard' };
  await Promise.all(
    Object.values(names)
      .flat()
      .map((name) => call('PUT', `/v1/admin/domains/${encodeURIComponent(name)}`, registration)),
  );
}, 120_000);

afterAll(() => cleanup.disposeAsync());

type Row = Record<string, unknown>;

const call = async (method: string, route: string, body?: object): Promise<Row> => {
  const response = await fetch(app.url + route, {
    method,
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${route} answered ${response.status}: ${text}`);
  return JSON.parse(text);
};
const rows = async (route: string, key: string, domain: string): Promise<Row[]> => {
  const { [key]: list } = await call('GET', `${route}?domain=${encodeURIComponent(domain)}`);
  if (!Array.isArray(list)) throw new Error(`${route} has no ${key}.`);
  return list;
};
const eventsOf = (domain: string) => rows('/v1/admin/cert-events', 'events', domain);
const incidentsOf = (domain: string) => rows('/v1/admin/cert-incidents', 'incidents', domain);
const domainRow = async (name: string): Promise<Row> => {
  const { domain } = await call('GET', `/v1/admin/domains/${encodeURIComponent(name)}`);
  return typeof domain === 'object' ? { ...domain } : {};
};

/** A host with hooks and settings of its own. */
const host = (name: string, url = app.url) => {
  const home = path.join(directory, name);
  mkdirSync(home);
  const settings = (server: string): void =>
    writeFileSync(
      path.join(home, 'emit.env'),
      [
        `NOTAFTER_CLI=${cli}`,
        `NOTAFTER_URL=${server}`,
        'NOTAFTER_SOURCE=acme',
        'NOTAFTER_CLUSTER=web-1',
        'NOTAFTER_INGEST_TOKEN=ingest-token-1',
        'NOTAFTER_SOURCE_KEY=source-key-1',
        '',
      ].join('\n'),
    );
  settings(url);
  const env = { NOTAFTER_CONFIG: path.join(home, 'emit.env'), LEGO_CA_CERTIFICATES: pebble.caFile };
  const start = (command: string, args: readonly string[], more: Record<string, string> = {}): Promise<RunResult> =>
    run(command, args, { cwd: home, env: { ...env, ...more } });
  return { home, settings, start };
};
type Host = ReturnType<typeof host>;

const legoArgs = (domains: readonly string[], challenge: readonly string[]): string[] => {
  const account = ['--server', pebble.directoryUrl, '--accept-tos', '--email', 'tls@example.test', '--path', 'lego'];
  return [...account, ...challenge, ...domains.flatMap((domain) => ['--domains', domain])];
};
const webroot = (folder = pebble.webroot): string[] => ['--http', '--http.webroot', folder];
const legoHook = path.join(hooks, 'lego-hook');
const issue = ['run', '--run-hook', `${legoHook} run`];
const renew = ['renew', '--days', '9999', '--no-random-sleep', '--renew-hook', `${legoHook} renew`];
const lego = () => requireBinary('lego');

/** Waits until every name ends with what the certificate on disk says of itself. */
const expectInStep = async (domains: readonly string[], certificate: string, eventType: string): Promise<string> => {
  const leaf = new X509Certificate(readFileSync(certificate));
  const ref = `sha256:${leaf.fingerprint256.replaceAll(':', '')}`;
  for (const domain of domains) {
    const what = `${domain} to have the new certificate`;
    const row = await waitFor(
      async () => {
        const now = await domainRow(domain);
        return now['certificate_ref'] === ref ? now : null;
      },
      { what, timeoutMs: 20_000 },
    );
    expect(row).toMatchObject({
      tls_status: 'issued',
      cert_last_event_type: eventType,
      cert_failure_count: 0,
      tls_last_error: null,
    });
    expect(Date.parse(String(row['tls_not_after']))).toBe(leaf.validToDate.getTime());
  }
  return ref;
};

const expectOpenIncident = async (domain: string, incidentType: string, tier: number): Promise<void> => {
  const [incident] = await waitFor(
    async () => {
      const found = await incidentsOf(domain);
      return found.length > 0 ? found : null;
    },
    { what: `an incident of ${domain}` },
  );
  expect(incident).toMatchObject({ incident_type: incidentType, status: 'open', tier });
};
const expectResolved = async (domain: string): Promise<void> => {
  await waitFor(async () => (await incidentsOf(domain)).every(({ status }) => status === 'resolved'), {
    what: `the incidents of ${domain} to be resolved`,
  });
  expect(await incidentsOf(domain)).toHaveLength(1);
};
const expectAllApplied = async (domain: string, types: readonly string[]): Promise<void> => {
  const events = await eventsOf(domain);
  const byName = (a: unknown, b: unknown): number => String(a).localeCompare(String(b));
  expect(events.map((event) => event['event_type']).toSorted(byName)).toEqual(types.toSorted(byName));
  for (const event of events) expect(event).toMatchObject({ status: 'applied', provenance_verified: true });
};

describe.concurrent('certificates from a real ACME server', () => {
  it('lego: issued, renewed, failed with the reason of the CA, and recovered', { timeout: 120_000 }, async () => {
    const { start, home } = host('lego-host');
    const certificate = path.join(home, 'lego/certificates/lego.test.crt');
    const works = legoArgs(names.lego, webroot());
    expect(await start(lego(), [...works, ...issue])).toMatchObject({ code: 0 });
    const first = await expectInStep(names.lego, certificate, 'issuance_succeeded');
    expect(await start(lego(), [...works, ...renew])).toMatchObject({ code: 0 });
    expect(await expectInStep(names.lego, certificate, 'renewal_succeeded')).not.toBe(first);

    const fails = legoArgs(names.lego, webroot(home));
    expect(await start(acmeRun, [lego(), ...fails, ...renew])).toMatchObject({ code: 1 });
    await expectOpenIncident('lego.test', 'renewal_failed', 2);
    const failed = await domainRow('lego.test');
    expect(failed).toMatchObject({ tls_status: 'tls_error', cert_failure_count: 1 });
    expect(failed['tls_last_error']).toMatch(/urn:ietf:params:acme:error:/);

    expect(await start(lego(), [...works, ...renew])).toMatchObject({ code: 0 });
    await expectInStep(names.lego, certificate, 'renewal_succeeded');
    await expectResolved('lego.test');
    const types = ['issuance_succeeded', 'renewal_succeeded', 'renewal_failed', 'renewal_succeeded'];
    await expectAllApplied('lego.test', types);
  });

  it('lego: a wildcard certificate with its bare name, over dns-01', { timeout: 120_000 }, async () => {
    const { start, home } = host('wildcard-host');
    const challenge = ['--dns', 'httpreq', '--dns.disable-cp', '--dns.resolvers', pebble.dnsAddress];
    const args = [...legoArgs(names.wildcard, challenge), ...issue];
    expect(await start(lego(), args, { HTTPREQ_ENDPOINT: pebble.dnsHook })).toMatchObject({ code: 0 });
    await expectInStep(names.wildcard, path.join(home, 'lego/certificates/_.wild.test.crt'), 'issuance_succeeded');
  });

  it('certbot: several names, renewed, failed and recovered', { timeout: 120_000 }, async () => {
    const { start, home } = host('certbot-host');
    const certificate = path.join(home, 'etc/live/one.certbot.test/cert.pem');
    const folders = ['--config-dir', `${home}/etc`, '--work-dir', `${home}/work`, '--logs-dir', `${home}/log`];
    const certbot = (args: string[], through: string[] = []): Promise<RunResult> => {
      const [command, ...rest] = [...through, requireBinary('certbot'), ...args, ...folders, '--non-interactive'];
      return start(command, rest, { REQUESTS_CA_BUNDLE: pebble.caFile });
    };
    const account = ['--server', pebble.directoryUrl, '--agree-tos', '--email', 'tls@example.test'];
    const order = ['--webroot', '--webroot-path', pebble.webroot, ...names.certbot.flatMap((name) => ['-d', name])];
    const deploy = ['--deploy-hook', path.join(hooks, 'certbot-deploy-hook')];
    const again = ['renew', '--force-renewal', '--no-random-sleep-on-renew'];

    expect(await certbot(['certonly', ...account, ...order, ...deploy])).toMatchObject({ code: 0 });
    const first = await expectInStep(names.certbot, certificate, 'issuance_succeeded');
    expect(await certbot(again)).toMatchObject({ code: 0 });
    expect(await expectInStep(names.certbot, certificate, 'renewal_succeeded')).not.toBe(first);

    expect(await certbot([...again, '--webroot', '--webroot-path', home], [acmeRun])).toMatchObject({ code: 1 });
    for (const name of names.certbot) await expectOpenIncident(name, 'renewal_failed', 2);
    expect(await domainRow('two.certbot.test')).toMatchObject({
      tls_status: 'tls_error',
      tls_last_error: 'Some challenges have failed.',
    });

    expect(await certbot([...again, '--webroot', '--webroot-path', pebble.webroot], [acmeRun])).toMatchObject({
      code: 0,
    });
    await expectInStep(names.certbot, certificate, 'renewal_succeeded');
    for (const name of names.certbot) await expectResolved(name);
    const types = ['issuance_succeeded', 'renewal_succeeded', 'renewal_failed', 'renewal_succeeded'];
    await expectAllApplied('three.certbot.test', types);
  });

  it('a renewal during an outage of the server arrives later, with its own time', { timeout: 120_000 }, async () => {
    const outage: Host = host('away-host', 'http://127.0.0.1:1');
    const certificate = path.join(outage.home, 'lego/certificates/away.test.crt');
    const issued = await outage.start(lego(), [...legoArgs(names.away, webroot()), ...issue]);
    expect(issued).toMatchObject({ code: 0, stdout: expect.stringContaining('spooled away.test issuance_succeeded') });
    const spool = path.join(outage.home, '.notafter/spool');
    const [waiting = ''] = readdirSync(spool).filter((name) => name.endsWith('.json'));
    const { body }: { body: string } = JSON.parse(readFileSync(path.join(spool, waiting), 'utf8'));
    expect(await eventsOf('away.test')).toEqual([]);

    outage.settings(app.url);
    const flush = await outage.start('/bin/sh', ['-c', 'set -a; . ./emit.env; exec "$NOTAFTER_CLI" emit --flush']);
    expect(flush).toMatchObject({ code: 0, stdout: 'notafter emit: 1 from the spool delivered\n' });
    await expectInStep(names.away, certificate, 'issuance_succeeded');
    const { occurredAt }: { occurredAt: string } = JSON.parse(body);
    expect(Date.parse(String((await domainRow('away.test'))['cert_last_event_at']))).toBe(Date.parse(occurredAt));
    expect(readdirSync(spool)).toEqual(['rejected']);
  });
});
