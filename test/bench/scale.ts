import { countExpiry } from '../../src/db/expiry.ts';
import type { Infrastructure } from './infrastructure.ts';
import { pushAt } from './ingest.ts';
import { closedLoop } from './load.ts';
import type { Case } from './run.ts';
import { domains, ledgerRows, loadScale } from './scale-data.ts';
import { startSubject } from './servers.ts';
import { type Measure, percentile } from './stats.ts';
import { adminToken, getRequest, pageRequest } from './workload.ts';

const repeats = 200;
/** A list slower than this is asked fewer times, so that the run stays bounded. */
const slowMs = 100;

const iso = (daysAgo: number): string => encodeURIComponent(new Date(Date.now() - daysAgo * 86_400_000).toISOString());
const site = 'site-0123456.tenant-3456.example.net';

const queries: Readonly<Record<string, readonly string[]>> = {
  'cert-events': [
    '',
    'status=applied',
    'status=pending',
    'status=failed',
    'source=source-7',
    'clusterId=cluster-17',
    'orgId=org-17',
    `domain=${site}`,
    'eventType=renewal_succeeded',
    'eventType=renewal_failed',
    'errorClass=internal',
    'unresolved=true',
    'unresolved=false',
    `since=${iso(1)}`,
    `until=${iso(60)}`,
    `since=${iso(30)}&until=${iso(29)}`,
  ],
  domains: [
    '',
    'status=issued',
    'status=expiring',
    'status=tls_error',
    'status=pending_route',
    'region=eu',
    'region=unassigned',
    'orgId=org-17',
    'drift=in_step',
    'drift=stale_served',
    'q=site-012',
    'q=*.tenant-17.example.net',
  ],
  'cert-incidents': [
    '',
    'status=open',
    'status=resolved',
    'tier=3',
    'type=renewal_failed',
    'orgId=org-20',
    `domain=${site}`,
    'source=source-20',
    'clusterId=cluster-20',
  ],
  'cert-sources': ['', 'source=source-7', 'clusterId=cluster-17', 'status=failed'],
  'domains/cert-region-summary': ['', 'orgId=org-17'],
  [`domains/${site}`]: [''],
};

/** Pages of the console, each with the filters that would cost most without an index or a kept count. */
const pages: readonly string[] = [
  '',
  '?org=org-17',
  '/domains',
  '/domains?status=tls_error',
  '/domains?drift=any',
  '/domains?orgId=org-17&status=tls_error',
  '/domains?region=eu&status=expiring',
  '/domains?q=site-0123',
  '/domains?q=*.tenant-17.example.net',
  '/domains?sort=ends',
  '/domains?sort=renewal&orgId=org-17',
  '/domains?sla=breach',
  `/domains/${site}`,
  '/regions',
  '/search?q=site-01',
  '/search?q=4F1A9C02',
  '/events',
  '/events?status=failed',
  '/events?source=source-7',
  `/events?domain=${site}`,
  '/dead-letters',
  '/dead-letters?domain=*.tenant-17.example.net',
  '/replays',
  '/notifications',
  '/notifications?status=dead',
  '/incidents',
  '/incidents?status=open&tier=3',
  '/sources',
  '/audit',
  '/tokens',
  '/settings',
  '/account',
];

const signIn = async (port: number): Promise<string> => {
  const origin = `http://127.0.0.1:${port}`;
  const answer = await fetch(`${origin}/console/login`, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin },
    body: new URLSearchParams({ token: adminToken }),
  });
  const [cookie] = (answer.headers.getSetCookie()[0] ?? '').split(';');
  if (cookie === undefined || cookie === '') throw new Error(`signing in was answered ${answer.status}`);
  return cookie;
};

const ask = async (port: number, path: string, request = getRequest(path)): Promise<Record<string, number>> => {
  const target = { port, connections: 1, expect: 200, next: () => request };
  const warm = await closedLoop(target, { count: 5 });
  if (warm.bad.size > 0) throw new Error(`${path} does not answer 200`);
  const { latencies } = await closedLoop(target, {
    count: percentile(warm.latencies, 0.5) > slowMs ? 20 : repeats,
  });
  return {
    'p50 ms': percentile(latencies, 0.5),
    'p99 ms': percentile(latencies, 0.99),
    'max ms': percentile(latencies, 1),
  };
};

const readAt = async (port: number, metricsPort: number): Promise<Measure[]> => {
  const part = 'reads at scale';
  const measures: Measure[] = [];
  for (const [list, filters] of Object.entries(queries)) {
    for (const filter of filters) {
      const path = `/v1/admin/${list}${filter === '' ? '' : `?${filter}`}`;
      measures.push({ part, subject: path, values: await ask(port, path) });
    }
  }
  const slowest = Math.max(...measures.map(({ values }) => values['p99 ms'] ?? Number.NaN));
  return [
    ...measures,
    { part, subject: 'slowest', values: { 'p99 ms': slowest } },
    { part, subject: '/metrics', values: await ask(metricsPort, '/metrics') },
  ];
};

const pagesAt = async (port: number): Promise<Measure[]> => {
  const part = 'console at scale';
  const cookie = await signIn(port);
  const measures: Measure[] = [];
  for (const page of pages) {
    const path = `/console${page}`;
    measures.push({ part, subject: path, values: await ask(port, path, pageRequest(path, cookie)) });
  }
  const slowest = Math.max(...measures.map(({ values }) => values['p99 ms'] ?? Number.NaN));
  return [...measures, { part, subject: 'slowest', values: { 'p99 ms': slowest } }];
};

const say = (line: string): void => void process.stderr.write(`    ${line}\n`);

const onEmpty = async (infrastructure: Infrastructure, seconds: number): Promise<Measure> => {
  const running = await startSubject('notafter, Redis', infrastructure, { worker: false });
  try {
    return { part: 'ingest at scale', subject: 'empty', values: await pushAt(running, seconds, { stores: true }) };
  } finally {
    await running.stop();
  }
};

/** Reads, pages, the metrics scrape and ingest with a million domains and five million events, the last against an empty ledger. */
export const scale: Case = async (infrastructure, { seconds, rounds }) => {
  const running = await startSubject('notafter, Redis', infrastructure, { worker: false });
  try {
    const started = performance.now();
    await loadScale(running.database.sql);
    const spent = Math.round((performance.now() - started) / 1000);
    say(`loaded ${domains.toLocaleString('en')} domains and ${ledgerRows.toLocaleString('en')} events in ${spent} s`);
    const reads = await readAt(running.api.port, running.api.metricsPort);
    await countExpiry({ sql: running.database.sql }, () => Date.now());
    const shown = await pagesAt(running.api.port);
    const pushes: Measure[] = [];
    for (let round = 0; round < rounds; round += 1) {
      pushes.push(await onEmpty(infrastructure, seconds));
      const values = await pushAt(running, seconds, { stores: true });
      pushes.push({ part: 'ingest at scale', subject: 'full', values });
    }
    return [...reads, ...shown, ...pushes];
  } finally {
    await running.stop();
  }
};
