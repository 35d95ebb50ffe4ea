import type { Sql } from 'postgres';
import { openLedger } from '../support/ledger.ts';
import { waitFor } from '../support/wait.ts';
import type { Infrastructure } from './infrastructure.ts';
import { closedLoop } from './load.ts';
import type { Case } from './run.ts';
import { bulk } from './scale-data.ts';
import { startRole, startSubject, type Subject } from './servers.ts';
import { type Measure, percentile } from './stats.ts';
import { adminToken, getRequest } from './workload.ts';

const ledgerRows = 1_000_000;
const letters = 100_000;
const names = 50_000;
const rate = 1000;
const part = '100,000 dead letters';

/** Registered domains, and a ledger of which every tenth event was given up: most of one cause, the rest of forty. */
const load = async (sql: Sql): Promise<void> => {
  await sql`
    insert into custom_domains (id, org_id, domain, verified, verification_token, tls_mode, region, tls_status)
    select uuidv7(), 'org-' || i % 400, 'letter-' || i || '.tenant-' || i % 500 || '.example.net', true, md5(i::text), 'termination', 'eu', 'issued'
    from generate_series(1, ${names}) i`;
  await sql.begin(async (tx) => {
    await tx`set local maintenance_work_mem = '256MB'`;
    await bulk(
      tx,
      'certificate_lifecycle_events',
      () => tx`
      insert into certificate_lifecycle_events (id, source, source_event_id, cluster_id, org_id, domain, event_type, status, outcome, occurred_at,
        retry_count, last_error, error_class, error_pattern, group_id, content_hash, created_at, updated_at, processed_at)
      select uuidv7(-e.age), 'source-' || i % 28, 'letter-' || i, 'cluster-' || i % 7, 'org-' || i % 400,
        'letter-' || n || '.tenant-' || n % 500 || '.example.net', 'renewal_failed', e.status, case when e.status = 'applied' then 'applied' end,
        now() - e.age, case when e.status = 'failed' then 6 else 0 end, case when e.status = 'failed' then 'error of cause ' || e.cause end,
        case when e.status = 'failed' then 'internal' end, case when e.status = 'failed' then 'error of cause ' || e.cause end,
        uuidv7(-e.age), ''::bytea, now() - e.age, now() - e.age, now() - e.age
      from generate_series(1, ${ledgerRows}) i
      cross join lateral (select interval '1 hour' + (${ledgerRows} - i) * interval '0.2 seconds' as age, 1 + i % ${names} as n,
        case when i % 10 = 3 then 'failed' else 'applied' end as status,
        case when i % 50 = 3 then 1 + (i / 50) % 40 else 0 end as cause) e`,
    );
    await tx`
      insert into unfinished_events (status, event_id) select status, id from certificate_lifecycle_events where status = 'failed'`;
    await tx`
      insert into dead_letters (event_id, error_class, fingerprint, pattern, domain, source, cluster_id, org_id, event_type, replays, created_at, failed_at)
      select id, error_class, dead_letter_fingerprint(error_class, error_pattern), error_pattern, domain, source, cluster_id, org_id, event_type, 0,
        created_at, processed_at
      from certificate_lifecycle_events where status = 'failed'`;
  });
  await sql`vacuum analyze`;
  await sql`checkpoint`;
};

const call = async (port: number, method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const response = await fetch(`http://127.0.0.1:${port}/v1/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${JSON.stringify(answer)}`);
  return { ...(answer as Record<string, unknown>) };
};

const timed = async (port: number, path: string): Promise<Measure> => {
  const target = { port, connections: 1, expect: 200, next: () => getRequest(`/v1/admin${path}`) };
  const { latencies, bad } = await closedLoop(target, { count: 20 });
  if (bad.size > 0) throw new Error(`${path} does not answer 200`);
  return { part, subject: path, values: { 'p50 ms': percentile(latencies, 0.5), 'max ms': percentile(latencies, 1) } };
};

const plans = async (port: number): Promise<{ measure: Measure; id: number }> => {
  const took: number[] = [];
  let id = 0;
  for (let n = 0; n < 5; n += 1) {
    const started = performance.now();
    const { plan } = await call(port, 'POST', '/replays', { ratePerSecond: rate });
    took.push(performance.now() - started);
    ({ id } = plan as { id: number });
  }
  const sorted = took.toSorted((a, b) => a - b);
  const values = { 'p50 ms': percentile(sorted, 0.5), 'max ms': percentile(sorted, 1) };
  return { measure: { part, subject: 'plan of all', values }, id };
};

interface Progress {
  readonly state: string;
  readonly opened: number;
  readonly applied: number;
}

const progress = async (port: number, id: number): Promise<Progress> => {
  const { replay } = await call(port, 'GET', `/replays/${id}`);
  return replay as Progress;
};

/** Waits until the failed set of the queue shows every dead letter. */
const untilShown = (metricsPort: number): Promise<unknown> =>
  waitFor(
    async () => {
      const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return Number(/queue="cert-events",state="failed"\} (\d+)/.exec(text)?.[1]) >= letters;
    },
    { timeoutMs: 600_000, intervalMs: 500, what: 'the dead letters to be shown' },
  );

/** Executes the plan, kills the worker in the middle, and goes on with another one to the end. */
const replayWithKill = async (
  subject: Subject,
  infrastructure: Infrastructure,
  running: Awaited<ReturnType<typeof startSubject>>,
  id: number,
) => {
  const { api, database } = running;
  const work = () => startRole(subject, 'work', infrastructure, database);
  const first = await work();
  // What was lost with the queue's store is shown there again first: the jobs of a hundred thousand dead letters.
  await untilShown(first.metricsPort);
  const started = performance.now();
  await call(api.port, 'POST', `/replays/${id}/execute`, { reason: 'bench' });
  const reach = (least: number) =>
    waitFor(async () => (await progress(api.port, id)).opened >= least, {
      timeoutMs: 300_000,
      intervalMs: 50,
      what: `${least} opened`,
    });
  await reach(10_000);
  const [from, at] = [(await progress(api.port, id)).opened, performance.now()];
  await reach(40_000);
  const perSecond = ((await progress(api.port, id)).opened - from) / ((performance.now() - at) / 1000);
  process.kill(first.pid, 'SIGKILL');
  const killed = performance.now();
  const { opened } = await progress(api.port, id);
  const second = await work();
  await reach(opened + 1);
  const resumed = (performance.now() - killed) / 1000;
  await waitFor(async () => (await progress(api.port, id)).state === 'done', {
    timeoutMs: 900_000,
    intervalMs: 200,
    what: 'the replay to be done',
  });
  const seconds = (performance.now() - started) / 1000;
  const last = await progress(api.port, id);
  await second.stop();
  return { perSecond, resumed, seconds, applied: last.applied };
};

const run = async (subject: Subject, infrastructure: Infrastructure): Promise<Measure[]> => {
  const running = await startSubject(subject, infrastructure, { worker: false });
  const ledger = await openLedger(running.database.url);
  try {
    await load(running.database.sql);
    const { port } = running.api;
    const reads = [];
    for (const path of [
      '/dead-letters',
      '/dead-letters?source=source-3',
      '/dead-letters?domain=*.tenant-17.example.net',
      '/dead-letters?orgId=org-17',
    ])
      reads.push(await timed(port, path));
    const { measure, id } = await plans(port);
    const { perSecond, resumed, seconds, applied } = await replayWithKill(subject, infrastructure, running, id);
    const [twice] = await ledger<{ n: number }[]>`
      select count(*)::int as n from (select event_id from noted_applications group by 1 having count(*) > 1) as one`;
    const values = {
      'opened/s': perSecond,
      'of the rate': perSecond / rate,
      's until resumed': resumed,
      's in all': seconds,
      applied,
      'applied twice': twice?.n ?? -1,
    };
    const of = (one: Measure): Measure => ({ ...one, subject: `${one.subject}, ${subject}` });
    return [...reads, measure, { part: `${part}: replay at ${rate}/s, worker killed`, subject: 'replay', values }].map(
      of,
    );
  } finally {
    await ledger.end();
    await running.stop();
  }
};

/** Groups and plan with 100,000 dead letters in a ledger of a million events, and their replay with a kill in the middle. */
export const deadLetters: Case = async (infrastructure) => [
  ...(await run('notafter, Redis', infrastructure)),
  ...(await run('notafter, PostgreSQL only', infrastructure)),
];
