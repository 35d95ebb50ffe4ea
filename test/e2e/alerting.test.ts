import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../notify/receiver.ts';
import { createPki } from '../support/certificates.ts';
import { freePort } from '../support/ports.ts';
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts';
import { type App, startApp, untilReady } from '../support/process.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';
import { type Admin, adminOf } from './support/admin.ts';
import { type Alerting, type Receipt, startAlerting, startWatch, type Watch } from './support/monitoring.ts';
import { startTlsServer, type TlsServer } from './support/tls-server.ts';

const hour = 3_600_000;
const day = 24 * hour;
const token = 'admin-token-1';
const pki = createPki();
const cleanup = new AsyncDisposableStack();
let database: TestPostgres;
let redis: TestRedis;
let alerting: Alerting;
let watch: Watch;
let runbook: Receiver;
let gone: Receiver;
let flaky: Receiver;
let admin: Admin;
let env: Readonly<Record<string, string>>;
let ports: { readonly api: number; readonly apiMetrics: number; readonly workerMetrics: number };
let api: App;
let worker: App;

/** More channels: two that a test breaks, and Alertmanager for everything. */
const channels = () => {
  const webhook = ({ port }: Receiver) => ({ type: 'webhook', url: `http://127.0.0.1:${port}/` });
  return JSON.stringify({
    channels: {
      gone: webhook(gone),
      flaky: webhook(flaky),
      alertmanager: { type: 'alertmanager', url: alerting.url },
    },
    routes: [
      { match: { domain: '*.gone.test' }, channels: ['gone'] },
      { match: { domain: '*.flaky.test' }, channels: ['flaky'] },
      { channels: ['alertmanager'] },
    ],
  });
};

const launch = async (role: 'serve' | 'work'): Promise<App> => {
  const [port, metrics] = role === 'serve' ? [ports.api, ports.apiMetrics] : [0, ports.workerMetrics];
  const own = { PORT: String(port), CERT_METRICS_PORT: String(metrics) };
  const started = await startApp(role, { ready: false, env: { ...env, ...own } });
  const app = { ...started, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metrics}` };
  await untilReady(app);
  return app;
};

beforeAll(async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'notafter-alerting-'));
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  database = await startTestPostgres();
  cleanup.defer(() => database.remove());
  redis = await startRedis();
  cleanup.defer(() => redis.stop());
  alerting = cleanup.use(await startAlerting(directory));
  [runbook, gone, flaky] = [await startReceiver(), await startReceiver(), await startReceiver()];
  for (const receiver of [runbook, gone, flaky]) cleanup.defer(() => receiver.close());
  ports = { api: await freePort(), apiMetrics: await freePort(), workerMetrics: await freePort() };
  const root = path.join(directory, 'root.pem');
  writeFileSync(root, pki.root.cert);
  env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    CERT_DEPLOYMENT_ENV: 'prod',
    CERT_EVENT_INGEST_TOKEN: 'ingest-token-1',
    CERT_ADMIN_TOKENS: `tester:admin:${token}`,
    CERT_EVENT_MAX_RETRIES: '2',
    CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
    CERT_WORKER_INTERVAL_SECONDS: '1',
    CERT_DLQ_AUTO_REPLAY_ENABLED: 'true',
    CERT_PROBE_FALLBACK_ENABLED: 'false',
    CERT_PROBE_ALLOWED_CIDRS: '127.0.0.0/8',
    CERT_PROBE_TRUSTED_CA_FILE: root,
    CERT_WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    CERT_RUNBOOK_WEBHOOK_URL: `http://127.0.0.1:${runbook.port}/run`,
    CERT_RUNBOOK_SIGNING_SECRET: 'runbook-secret-1',
    CERT_NOTIFY_CHANNELS: channels(),
  };
  api = await launch('serve');
  cleanup.defer(async () => void (await api.stop()));
  worker = await launch('work');
  cleanup.defer(async () => void (await worker.stop()));
  const targets = { api: `127.0.0.1:${ports.apiMetrics}`, worker: `127.0.0.1:${ports.workerMetrics}` };
  watch = cleanup.use(await startWatch(directory, targets, alerting.url));
  admin = adminOf(api, token);
}, 120_000);

afterAll(() => cleanup.disposeAsync());

const post = async (domain: string, eventType: string, fields: Readonly<Record<string, unknown>> = {}) => {
  const identity = { source: 'certbot', clusterId: 'eu-1', sourceEventId: randomUUID() };
  const answer = await fetch(`${api.url}/v1/domains/cert-events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-cert-event-token': 'ingest-token-1' },
    body: JSON.stringify({ ...identity, domain, eventType, ...fields }),
  });
  expect(answer.status).toBe(202);
};

/** Reports a certificate of 90 days whose renewal is due in so many milliseconds. */
const renewed = (domain: string, dueIn = 60 * day, fields: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  const now = Date.now();
  return post(domain, 'renewal_succeeded', { notAfter: now + 89 * day, renewalDueAt: now + dueIn, ...fields });
};

/** A domain that serves this certificate from a server of its own. */
const serve = async (domain: string, pair: { readonly cert: string; readonly key: string }): Promise<TlsServer> => {
  const server = cleanup.use(await startTlsServer(pair));
  await admin.register(domain, { probeAddress: server.address });
  return server;
};
const served = (domain: string, notAfter = Date.now() + 80 * day) => {
  const leaf = pki.leaf({ names: [domain], notBefore: Date.now() - 10 * day, notAfter });
  return { ref: leaf.ref, cert: leaf.chain, key: leaf.key };
};
const lookUntil = (domain: string, column: string, value: string) =>
  admin.lookUntil(domain, (row) => row[column] === value, `to have ${column} ${value}`);

describe('a domain that serves an expired certificate', () => {
  const domain = 'broken.test';
  const rule = { alertname: 'CertificateTlsErrorsPresent', job: 'notafter', environment: 'prod' };
  const own = { alertname: 'CertificateTlsError', domain };

  it('is told by Prometheus and by the product itself, and so is its end', { timeout: 60_000 }, async () => {
    const server = await serve(domain, served(domain, Date.now() - hour));
    await lookUntil(domain, 'tls_status', 'tls_error');
    const alert = await watch.firing({ alertname: rule.alertname });
    expect(alert.labels).toMatchObject({ severity: 'critical', route: 'ticket', job: 'notafter' });
    expect(await alerting.told('firing', rule)).toMatchObject({
      receiver: 'ticket',
      annotations: {
        summary: 'Domains with a broken certificate',
        runbook_url: expect.stringMatching(/^https:.*ops-oncall\.md#certificatetlserrorspresent$/),
      },
    });
    expect(await alerting.told('firing', own)).toMatchObject({
      receiver: 'ticket',
      labels: { class: 'tls_error', severity: 'critical', route: 'ticket' },
      annotations: { summary: expect.stringMatching(/^broken\.test: TLS error: .*expired/) },
    });

    server.serve(served(domain));
    await lookUntil(domain, 'tls_status', 'issued');
    await watch.over({ alertname: rule.alertname });
    expect(await alerting.told('resolved', rule)).toMatchObject({ receiver: 'ticket' });
    expect(await alerting.told('resolved', own)).toMatchObject({ receiver: 'ticket' });
    expect(alerting.history(own).map(({ status }) => status)).toEqual(['firing', 'resolved']);
  });
});

interface Trouble {
  readonly rule: string;
  /** What its alert has beside those of every rule. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly receiver: Receipt;
  /** Makes the rule fire; gives what makes it end. */
  readonly provoke: () => Promise<() => Promise<unknown>>;
}

/** Fails to renew domains one after the other; each has to raise a series before the next: its first sample is no rise. */
const failing = async (domains: readonly string[], series: string): Promise<() => Promise<unknown>> => {
  for (const [index, domain] of domains.entries()) {
    await admin.register(domain);
    await post(domain, 'renewal_failed', { reason: 'the CA does not answer' });
    await waitFor(async () => ((await watch.value(`max(${series})`)) ?? 0) > index, {
      what: `${series} over ${index}`,
    });
  }
  return () => Promise.all(domains.map((domain) => renewed(domain)));
};

const due = async (domain: string, dueIn: number): Promise<() => Promise<unknown>> => {
  await admin.register(domain);
  await renewed(domain, dueIn);
  return () => renewed(domain);
};

const silentPort = async (count: number): Promise<() => Promise<unknown>> => {
  const probeAddress = `127.0.0.1:${await freePort()}`;
  const names = Array.from({ length: count }, (_, index) => `n${index}.down.test`);
  const registration = { verified: true, tlsMode: 'termination', region: 'eu', failurePolicy: 'standard' };
  const lines = names.map((domain) => JSON.stringify({ domain, ...registration, probeAddress }));
  await admin.call('POST', '/v1/admin/domains/import', lines.join('\n'));
  const stop = new AbortController();
  const looking = (async () => {
    while (!stop.signal.aborted) for (const name of names) await admin.call('POST', `/v1/admin/domains/${name}/probe`);
  })();
  return async () => {
    stop.abort();
    await looking;
  };
};

const statusesOf = async (channel: string): Promise<string[]> => {
  const { notifications } = await admin.call('GET', `/v1/admin/notifications?channel=${channel}`);
  if (!Array.isArray(notifications)) throw new Error('there is no list of notifications');
  return notifications.map(({ status }: { status: string }) => status);
};

/** A source that reported for three days, until three days ago. */
const fallSilent = async (source: string): Promise<() => Promise<unknown>> => {
  const report = (): Promise<void> => renewed('reported.test', 60 * day, { source });
  await admin.register('reported.test');
  for (let count = 0; count < 10; count += 1) await report();
  const sql = postgres(database.url, { max: 1 });
  await waitFor(async () => {
    const [row] = await sql<{ n: number }[]>`select events_total::int as n from cert_sources where source = ${source}`;
    return row?.n === 10;
  });
  const [first, last] = [new Date(Date.now() - 6 * day), new Date(Date.now() - 3 * day)];
  await sql`update certificate_lifecycle_events set created_at = ${first} where source = ${source}`;
  await sql`update cert_sources set last_seen_at = ${last} where source = ${source}`;
  await sql.end();
  return report;
};

const onDatabase = async <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
  const sql = postgres(database.url, { max: 1 });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
};

/** Fifty tries of a class that failed just now, where there were none before. */
const spike = async (errorClass: string): Promise<() => Promise<unknown>> => {
  const kind = `failed.${errorClass}`;
  const minute = Math.floor(Date.now() / 60_000);
  await onDatabase(
    (sql) => sql`insert into pipe_activity (minute, kind, bucket, n) values (${minute}, ${kind}, 0, 50)`,
  );
  return () => onDatabase((sql) => sql`delete from pipe_activity where kind = ${kind}`);
};

/** An event that fails again each time it is replayed. */
const goRound = async (domain: string, replays: number): Promise<() => Promise<unknown>> => {
  const failed = async () => {
    const { events } = await admin.call('GET', `/v1/admin/cert-events?domain=${domain}&status=failed`);
    return Array.isArray(events) ? events.map(({ id }: { id: string }) => id) : [];
  };
  await renewed(domain);
  for (let round = 0; ; round += 1) {
    await waitFor(async () => (await failed()).length === 1, { what: `${domain} to fail after ${round} replays` });
    if (round === replays) return () => admin.register(domain);
    const [id = ''] = await failed();
    await admin.call('POST', `/v1/admin/cert-events/${id}/replay`, { reason: 'once more' });
  }
};

/** A dead letter that the policy has replayed as often as it may. */
const exhaust = async (domain: string): Promise<() => Promise<unknown>> => {
  const id = randomUUID();
  await onDatabase(
    (sql) => sql`
      insert into certificate_lifecycle_events (id, source, domain, event_type, status, occurred_at, retry_count, last_error,
        error_class, dlq_replay_count, group_id, content_hash, created_at, updated_at, processed_at)
      values (${id}, 'certbot', ${domain}, 'renewal_succeeded', 'failed', now(), 2, 'it never works', 'internal', 3, ${id}, '\\x00',
        now(), now(), now())`,
  );
  return () => onDatabase((sql) => sql`update certificate_lifecycle_events set status = 'applied' where id = ${id}`);
};

/** Retention of incidents was last over three days ago, and cannot go on while somebody holds its row. */
const holdRetention = async (): Promise<() => Promise<void>> => {
  const holder = postgres(database.url, { max: 1 });
  await holder`insert into retention_walks (name) values ('incidents') on conflict (name) do nothing`;
  const hold = async (): Promise<boolean> => {
    await holder`update retention_walks set finished_at = now() - interval '3 days', started_at = now() - interval '3 days' where name = 'incidents'`;
    await holder`begin`;
    const [row] = await holder<
      { old: boolean }[]
    >`select finished_at < now() - interval '2 days' as old from retention_walks where name = 'incidents' for update`;
    if (row?.old !== true) await holder`rollback`;
    return row?.old === true;
  };
  // A round may have gone through between the two.
  await waitFor(hold, { what: 'the row to be held' });
  return async () => {
    await holder`rollback`;
    await holder.end();
  };
};

const troubles: readonly Trouble[] = [
  {
    rule: 'CertificateRenewalSlaWarning',
    receiver: 'ticket',
    provoke: () => due('soon.test', hour),
  },
  { rule: 'CertificateRenewalSlaBreach', receiver: 'page', provoke: () => due('late.test', -hour) },
  {
    rule: 'CertificateDriftPresent',
    labels: { state: 'unknown_served' },
    receiver: 'ticket',
    provoke: async () => {
      const domain = 'drift.test';
      const certificate = served(domain);
      await serve(domain, certificate);
      const other = { certificateRef: `sha256:${'AB'.repeat(32)}`, occurredAt: Date.now() - hour };
      await renewed(domain, 60 * day, other);
      await lookUntil(domain, 'drift_state', 'unknown_served');
      return async () => {
        await renewed(domain, 60 * day, { certificateRef: certificate.ref });
        await lookUntil(domain, 'drift_state', 'in_step');
      };
    },
  },
  {
    rule: 'CertificateDeadLettersPresent',
    receiver: 'ticket',
    provoke: async () => {
      await renewed('unheard.test');
      return () => admin.register('unheard.test');
    },
  },
  {
    rule: 'CertificateLifecycleRunbookFailures',
    receiver: 'page',
    provoke: async () => {
      runbook.behave({ kind: 'status', status: 500 });
      const mend = await failing(['r1.test', 'r2.test'], 'fdt_cert_runbook_trigger_failures_total');
      return async () => {
        runbook.behave({ kind: 'accept' });
        await mend();
      };
    },
  },
  {
    rule: 'CertificateNotificationsDead',
    receiver: 'page',
    provoke: async () => {
      gone.behave({ kind: 'status', status: 404 });
      const mend = await failing(['g1.gone.test', 'g2.gone.test'], 'certctl_notification_dead_total');
      return async () => {
        gone.behave({ kind: 'accept' });
        const requeued = await admin.call('POST', '/v1/admin/notifications/requeue', { channel: 'gone' });
        expect(requeued).toMatchObject({ attempted: 2, requeued: 2 });
        await waitFor(async () => (await statusesOf('gone')).join() === 'sent,sent', { what: 'both to be sent' });
        await mend();
      };
    },
  },
  {
    rule: 'CertificateNotificationsFailing',
    labels: { channel: 'flaky' },
    receiver: 'ticket',
    provoke: async () => {
      flaky.behave({ kind: 'status', status: 503 });
      const mend = await failing(
        ['f1.flaky.test', 'f2.flaky.test'],
        'fdt_cert_notifications_total{channel="flaky",result!="sent"}',
      );
      return async () => {
        flaky.behave({ kind: 'accept' });
        await mend();
      };
    },
  },
  { rule: 'CertificateProbesFailing', receiver: 'page', provoke: () => silentPort(10) },
  { rule: 'CertificateSourceSilent', receiver: 'ticket', provoke: () => fallSilent('quiet') },
  {
    rule: 'CertificateEventErrorSpike',
    labels: { error_class: 'internal' },
    receiver: 'ticket',
    provoke: () => spike('internal'),
  },
  { rule: 'CertificateRetentionBehind', labels: { of: 'incidents' }, receiver: 'ticket', provoke: holdRetention },
  { rule: 'CertificateReplayLoop', receiver: 'ticket', provoke: () => goRound('round.test', 3) },
  { rule: 'CertificateDeadLettersExhausted', receiver: 'page', provoke: () => exhaust('never.test') },
];

describe.concurrent('rules about what is handled', () => {
  it.each(troubles)('$rule', { timeout: 90_000 }, async ({ rule, labels: more, receiver, provoke }) => {
    const mend = await provoke();
    await watch.firing({ alertname: rule, ...more });
    const labels = { alertname: rule, environment: 'prod', ...more };
    expect(await alerting.told('firing', labels)).toMatchObject({ receiver, labels: { route: receiver } });
    await mend();
    await watch.over({ alertname: rule, ...more });
    expect(await alerting.told('resolved', labels)).toMatchObject({ receiver });
  });

  it('a deadline that has passed keeps no warning of another domain quiet', { timeout: 60_000 }, async () => {
    const mend = [await due('near.test', hour), await due('past.test', -hour)];
    await alerting.told('firing', { alertname: 'CertificateRenewalSlaBreach', domain: 'past.test' });
    const warning = { alertname: 'CertificateRenewalSlaWarning', domain: 'near.test' };
    await alerting.told('firing', warning);
    const [held] = await alerting.held(warning);
    expect(held?.status).toMatchObject({ state: 'active', inhibitedBy: [] });
    await Promise.all(mend.map((end) => end()));
    await alerting.told('resolved', warning);
  });
});

/** Something that a process needs, or a process, is away. */
interface Outage {
  readonly what: string;
  readonly begin: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
  /** The rule that fires, and who is told. */
  readonly rule: string;
  readonly receiver: Receipt;
  /** Rules that fire too, and are kept quiet because that one says it already. */
  readonly quiet: readonly string[];
}

const outages: readonly Outage[] = [
  {
    what: 'the worker',
    begin: async () => {
      await admin.register('busy.test');
      await worker.stop();
      await Promise.all(Array.from({ length: 101 }, () => renewed('busy.test')));
    },
    end: async () => {
      worker = await launch('work');
    },
    rule: 'CertificateWorkerDown',
    receiver: 'page',
    quiet: [
      'CertificateInstanceDown',
      'CertificateEventBacklogGrowing',
      'CertificateWorkerStuck',
      'CertificateSweepStalled',
    ],
  },
  {
    what: 'the API',
    begin: () => api.stop(),
    end: async () => {
      api = await launch('serve');
    },
    rule: 'CertificateApiDown',
    receiver: 'page',
    quiet: ['CertificateInstanceDown'],
  },
  {
    what: 'the database',
    begin: () => database.stop(),
    end: () => database.start(),
    rule: 'CertificateMetricsStale',
    receiver: 'page',
    quiet: ['CertificateInstanceMetricsStale'],
  },
  {
    what: 'Redis',
    begin: async () => {
      await admin.register('unqueued.test');
      await redis.kill9();
      await renewed('unqueued.test');
    },
    end: () => redis.restart(),
    rule: 'CertificateQueueUnavailable',
    receiver: 'ticket',
    quiet: [],
  },
];

const isQuiet = async (alertname: string): Promise<boolean> => {
  const held = await alerting.held({ alertname });
  return held.length > 0 && held.every(({ status }) => status.state === 'suppressed');
};

describe('rules about what is away', () => {
  it.each(outages)('$what', { timeout: 90_000 }, async ({ begin, end, rule, receiver, quiet }) => {
    const labels = { alertname: rule, environment: 'prod' };
    await begin();
    await watch.firing({ alertname: rule });
    expect(await alerting.told('firing', labels)).toMatchObject({ receiver });
    for (const alertname of quiet) {
      await watch.firing({ alertname });
      await waitFor(() => isQuiet(alertname), { what: `${alertname} to be kept quiet` });
    }
    await end();
    for (const alertname of [rule, ...quiet]) await watch.over({ alertname });
    expect(await alerting.told('resolved', labels)).toMatchObject({ receiver });
  });
});

describe('the rules', () => {
  it('are all provoked here', async () => {
    const handled = ['CertificateTlsErrorsPresent', ...troubles.map(({ rule }) => rule)];
    const away = outages.flatMap(({ rule, quiet }) => [rule, ...quiet]);
    expect([...new Set([...handled, ...away])].sort()).toEqual((await watch.rules()).sort());
  });
});
