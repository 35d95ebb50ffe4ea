import { mkdtempSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Sql } from 'postgres';
import { connectDb, type Db } from '../../src/db/client.ts';
import { readGauges } from '../../src/db/gauges.ts';
import { claimDue } from '../../src/db/probes.ts';
import { dueLooks } from '../../src/db/settle.ts';
import { waitFor } from '../support/wait.ts';
import type { Database, Infrastructure } from './infrastructure.ts';
import { ageSome, domainCount, liveCount, loadProbed, makeDue } from './probe-scale-data.ts';
import { startTlsServers } from './probe-servers.ts';
import type { Case } from './run.ts';
import { type Role, startRole } from './servers.ts';
import { cpuOf, type Measure, median } from './stats.ts';

const hour = 3_600_000;
const perSecond = domainCount / 3600;
const jobSize = 200;
const leaseMs = 10 * 60_000;
/** Due every fifteen seconds when a million are due every hour. */
const dueAtOnce = Math.round(15 * perSecond);
const repeats = 15;

interface Scans {
  /** Rows read by scans of whole tables. */
  readonly scanned: number;
}

const scansOf = async (sql: Sql): Promise<Scans> => {
  await sql`select pg_stat_force_next_flush()`;
  const [row] = await sql<Scans[]>`
    select sum(seq_tup_read)::float8 as scanned from pg_stat_user_tables
    where relname in ('domain_clocks', 'custom_domains', 'domain_addresses')`;
  return { scanned: row?.scanned ?? Number.NaN };
};

/** Makes as many of the domains that nobody serves due as come due between two sweeps, or puts them back. */
const setDue = async (sql: Sql, due: boolean): Promise<void> => {
  await sql`
    update domain_clocks c set probe_due_at = now() + ${due ? -1 : 600}::float8 * interval '1 minute'
    from (select id from custom_domains where probe_address is null and domain like 'site-%7.%' order by md5(domain) limit ${dueAtOnce}) d
    where c.domain_id = d.id`;
};

const timesOf = async (db: Db, subject: string, work: () => Promise<unknown>, prepare?: () => Promise<void>) => {
  const took: number[] = [];
  let scanned = 0;
  for (let run = 0; run < repeats; run += 1) {
    await prepare?.();
    const before = await scansOf(db.sql);
    const started = performance.now();
    await work();
    took.push(performance.now() - started);
    scanned += (await scansOf(db.sql)).scanned - before.scanned;
  }
  const values = { 'p50 ms': median(took), 'max ms': Math.max(...took), 'rows scanned': scanned };
  return { part: 'sweeps of a million domains', subject, values };
};

const claimAll = async (db: Db, now: number): Promise<void> => {
  let [left, count] = [dueAtOnce, 0];
  do {
    count = (await claimDue(db, { now, leaseMs, limit: jobSize })).length;
    left -= count;
  } while (count === jobSize);
  if (left !== 0) throw new Error(`a sweep left ${left} of ${dueAtOnce} due domains`);
};

/** Every query that a sweep puts to the whole set of domains. A time to come stands for a long outage: then all are due. */
const measureSweeps = async (url: string): Promise<Measure[]> => {
  const db = connectDb(url, { max: 1, name: 'bench' });
  const now = Date.now();
  const later = now + 48 * hour;
  try {
    const measures = [
      await timesOf(
        db,
        `probes: all ${dueAtOnce} that are due`,
        () => claimAll(db, now),
        () => setDue(db.sql, true),
      ),
      await timesOf(db, 'probes: 200 of a million due', () => claimDue(db, { now: later, leaseMs, limit: jobSize })),
      await timesOf(db, 'statuses and alerts: 500 due', () => dueLooks(db, { now: later, limit: 500, without: [] })),
      await timesOf(db, 'past or near the deadline, and all gauges', () => readGauges(db, now, 72)),
    ];
    await setDue(db.sql, false);
    const slowest = Math.max(...measures.map(({ values }) => values['max ms']));
    const scanned = measures.reduce((sum, { values }) => sum + values['rows scanned'], 0);
    const worst = { part: 'sweeps of a million domains', subject: 'slowest' };
    return [...measures, { ...worst, values: { 'max ms': slowest, 'rows scanned': scanned } }];
  } finally {
    await db.close();
  }
};

const cpuNow = (infrastructure: Infrastructure, worker: Role): Record<string, number> => ({
  worker: cpuOf(worker.pid),
  ...infrastructure.cpu(),
});

/** Until no live domain is due, nor lent to a job. */
const untilLooked = async (sql: Sql, timeoutMs: number): Promise<void> => {
  const nothingLeft = async (): Promise<boolean> => {
    const [row] = await sql<{ done: boolean }[]>`
      select not exists (select from domain_clocks where probe_due_at <= now() + interval '11 minutes') as done`;
    return row?.done === true;
  };
  await waitFor(nothingLeft, { timeoutMs, intervalMs: 500, what: 'all due domains to be looked at' });
};

/** Fails unless every live domain was looked at since, and is well. */
const assertWell = async (sql: Sql, since: Date): Promise<number> => {
  const [row] = await sql<{ well: number; full: number }[]>`
    select count(*)::int as well, count(*) filter (where a.depth = 'full')::int as full
    from domain_addresses a join custom_domains d on d.id = a.domain_id
    where a.checked_at >= ${since} and a.verdict = 'ok' and d.tls_status = 'issued'`;
  if (row?.well !== liveCount) throw new Error(`${row?.well} of ${liveCount} live domains were looked at and are well`);
  return row.full;
};

const startWork = (infrastructure: Infrastructure, database: Database, caFile: string, profiles: string | null) =>
  startRole('notafter, Redis', 'work', infrastructure, database, {
    profiles,
    env: {
      CERT_PROBE_FALLBACK_ENABLED: 'true',
      CERT_PROBE_ALLOWED_CIDRS: '127.0.0.0/8',
      CERT_PROBE_TRUSTED_CA: readFileSync(caFile, 'utf8'),
    },
  });

/** The real worker with Redis, at its defaults: what a look at a domain costs it, PostgreSQL and Redis together. */
const measureWork = async (
  infrastructure: Infrastructure,
  database: Database,
  caFile: string,
  profiles: string | null,
): Promise<Measure[]> => {
  const { sql } = database;
  const worker = await startWork(infrastructure, database, caFile, profiles);
  const run = async (subject: string, seconds: number): Promise<Measure> => {
    await makeDue(sql, seconds);
    const since = new Date();
    const before = cpuNow(infrastructure, worker);
    const started = performance.now();
    await untilLooked(sql, seconds * 1000 + 300_000);
    const ms = performance.now() - started;
    const after = cpuNow(infrastructure, worker);
    const each = Object.entries(after).map(
      ([name, used]) => [`${name} µs`, (1000 * (used - (before[name] ?? 0))) / liveCount] as const,
    );
    const sum = each.reduce((total, [, us]) => total + us, 0);
    const full = await assertWell(sql, since);
    const share = (sum * perSecond) / 10_000;
    const values = { 'domains/s': (1000 * liveCount) / ms, 'full %': (100 * full) / liveCount };
    const part = 'looks with a million domains';
    return {
      part,
      subject,
      values: { ...values, 'µs/domain': sum, ...Object.fromEntries(each), '% of a core': share },
    };
  };
  try {
    const first = await run('first sight, all at once', 0);
    await ageSome(sql);
    const steady = await run('a million an hour', liveCount / perSecond);
    await ageSome(sql);
    return [first, steady, await run('all at once', 0)];
  } finally {
    await worker.stop();
  }
};

/** A million domains: how long the sweeps' questions take, and what looking at all of them every hour costs. */
export const probeScale: Case = async (infrastructure, { profiles }) => {
  const parent = mkdtempSync(path.join(infrastructure.folder, 'probe-scale-'));
  const servers = await startTlsServers(parent);
  try {
    const database = await infrastructure.fresh();
    await loadProbed(database.sql, servers.sites);
    const sweeps = await measureSweeps(database.url);
    const work = await measureWork(infrastructure, database, servers.caFile, profiles);
    await database.drop();
    return [...sweeps, ...work];
  } finally {
    await servers.stop();
  }
};
